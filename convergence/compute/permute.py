"""Inner products of RDMs after relabelling: r(p) = sum over i < j of a[i, j] * b[p[i], p[j]], for many RDMs and many
relabellings p.

    products = relabelled_products(a, b)                # prepared once: (n_a, n_pairs), (n_b, n_pairs)
    products(relabellings)                              # (k, n) -> (k, n_a, n_b)

    products = relabelled_products(a, b, paired=True)   # the r-th of a with the r-th of b
    products(relabellings)                              # (k, n) -> (k, n_rdms)

A relabelling asks for n (n - 1) / 2 entries of each b, at places that only the relabelling decides. For all pairs, the RDMs of
b therefore lie side by side, entry by entry: one gather brings an entry of all of them, serves every a, and the rest is a
matrix product. For pairs, each RDM is gathered on its own while it stays in the cache. Either way the triangle is cut into
bands of rows, so that what was gathered is used before it leaves the cache: band [i0, i1) has the columns j > i0, and zeros in
a where j <= i.

Memory: the square form of b and the triangle of a. Work per relabelling: n_b n^2 / 2 gathers, and n_a n_b n^2 / 2
multiplications.
"""

from concurrent.futures import ThreadPoolExecutor

_GATHERED = {"cpu": 1 << 20, "cuda": 1 << 26}           # entries of b that are gathered at a time
_BANDS = 32                                             # at least: band k of n rows computes n / (2 k) of them in vain
_TOGETHER = 4                                           # relabellings per matrix product, at least


def relabelled_products(a, b, *, paired=False):
    """Prepare two stacks of condensed RDMs; see the module's docstring.

    Parameters
    ----------
    a, b : (n_a, n_pairs), (n_b, n_pairs) tensors
        On one device, of one floating type, in which products are summed.
    paired : bool

    Returns
    -------
    callable
        Takes (k, n) relabellings, an array or tensor of int64, and returns (k, n_a, n_b), or (k, n_rdms) if paired. Its
        attribute `together` says how many relabellings are computed at a time; results do not depend on it beyond rounding.
    """
    return (_Pairs if paired else _AllPairs)(a, b)


def squares(condensed, n):
    """Square forms of condensed RDMs, with zero diagonal: (n_rdms, n_pairs) -> (n_rdms, n, n)."""
    square = condensed.new_zeros(len(condensed), n, n)
    source, target = _for_slices(condensed, square)
    for i, start, stop in _rows_of_triangle(n):
        target[:, i, i + 1:] = source[:, start:stop]
        target[:, i + 1:, i] = source[:, start:stop]
    return square


def row_sums(condensed, n):
    """Row sums of the square forms, without forming them: (n_rdms, n_pairs) -> (n_rdms, n)."""
    sums = condensed.new_zeros(len(condensed), n)
    source, target = _for_slices(condensed, sums)
    for i, start, stop in _rows_of_triangle(n):
        row = source[:, start:stop]
        target[:, i] += row.sum(1)
        target[:, i + 1:] += row
    return sums


def _for_slices(*tensors):
    """NumPy's views of tensors on the CPU, where small slices cost less in NumPy; other tensors as they are."""
    return [x if x.is_cuda else x.numpy() for x in tensors]


class _AllPairs:
    def __init__(self, a, b):
        self.n = _n_stimuli(a)
        self.entries = squares(b, self.n).permute(1, 2, 0).reshape(self.n ** 2, len(b))
        budget = _GATHERED[a.device.type]
        rows = _clamp(budget // (_TOGETHER * self.n * len(b)), 1, -(-self.n // _BANDS))
        self.together = max(1, budget // (rows * self.n * len(b)))
        self.bands = list(_bands(a, self.n, rows))

    def __call__(self, relabellings):
        import torch
        relabellings = torch.as_tensor(relabellings, device=self.entries.device)
        return torch.cat([self._some(part) for part in relabellings.split(self.together)])

    def _some(self, relabellings):
        k, (n_entries, n_b) = len(relabellings), self.entries.shape
        new = relabellings.T.contiguous()
        total = 0
        for i0, i1, a in self.bands:
            index = (new[i0:i1, None] * self.n + new[None, i0 + 1:]).flatten()     # (rows, columns, k): an entry of all k together
            gathered = self._take(index)
            total = total + a @ gathered.view(-1, k * n_b)
        return total.view(-1, k, n_b).transpose(0, 1)

    def _take(self, index):
        if self.entries.shape[1] == 1:                                                     # the one-dimensional gather is faster
            return self.entries[:, 0].index_select(0, index)
        return self.entries.index_select(0, index)


class _Pairs:
    def __init__(self, a, b):
        self.n = _n_stimuli(a)
        self.entries = squares(b, self.n).flatten(1)
        budget = _GATHERED[a.device.type] // _TOGETHER
        rows = _clamp(budget // (_TOGETHER * self.n), 1, -(-self.n // _BANDS))
        self.together = max(1, budget // (rows * self.n))
        self.bands = list(_bands(a, self.n, rows))

    def __call__(self, relabellings):
        import torch
        relabellings = torch.as_tensor(relabellings, device=self.entries.device)
        return torch.cat([self._some(part) for part in relabellings.split(self.together)])

    def _some(self, relabellings):
        import torch
        indices = [(relabellings[:, i0:i1, None] * self.n + relabellings[:, None, i0 + 1:]).flatten() for i0, i1, _ in self.bands]
        one = lambda rdm: self._one(rdm, indices, len(relabellings))
        threads = 1 if self.entries.is_cuda else min(torch.get_num_threads(), len(self.entries))
        if threads == 1:
            return torch.stack([one(rdm) for rdm in range(len(self.entries))], 1)
        with ThreadPoolExecutor(threads) as pool:                               # a one-dimensional gather uses one core
            return torch.stack(list(pool.map(one, range(len(self.entries)))), 1)

    def _one(self, rdm, indices, k):
        entries, total = self.entries[rdm], 0
        for (_, _, a), index in zip(self.bands, indices):
            total = total + entries.index_select(0, index).view(k, -1) @ a[rdm]
        return total


def _bands(a, n, rows):
    """(i0, i1, (n_a, (i1 - i0) (n - i0 - 1))): rows i0 to i1 of the upper triangle, as rectangles with columns from i0 + 1 on."""
    triangle = list(_rows_of_triangle(n))
    for i0 in range(0, n - 1, rows):
        i1 = min(i0 + rows, n - 1)
        band = a.new_zeros(len(a), i1 - i0, n - i0 - 1)
        for i, start, stop in triangle[i0:i1]:
            band[:, i - i0, i - i0:] = a[:, start:stop]
        yield i0, i1, band.flatten(1)


def _rows_of_triangle(n):
    """(i, start, stop): where row i stands in a condensed RDM."""
    start = 0
    for i in range(n - 1):
        yield i, start, start + n - 1 - i
        start += n - 1 - i


def _n_stimuli(condensed):
    return round((1 + (1 + 8 * condensed.shape[1]) ** 0.5) / 2)


def _clamp(value, low, high):
    return max(low, min(value, high))

"""The algebra of closed-form nulls: what an RDM is summarised by, and how two summaries give the moments of r under relabelling.

    x, y = (summarise([stack], strata, third=True) for stack in (a, b))         # once per RDM
    mean, variance, third = moments(x, y, paired=False)                         # one dot product per pair

Relabelling images is a group that acts on RDMs. Split an RDM into the parts that the group cannot split further; then, under a
relabelling s,

    mean of r(a, s b)                 sum of products of the coordinates in the constant part
    Cov(r(a, s b), r(c, s d))         sum over the other parts of <X(a) X(c)', X(b) X(d)'> / dimension of the part (Schur)
    third central moment of r         sum of products of cubic invariants, with weights (third_moment.py)

X(a) holds the coordinates of a, one row per copy of the part. For N images with m rows each, the blocks T_pq (repetition p of one
image with q of another) have symmetric ("even") and antisymmetric ("odd") combinations; these say something about single images
("standard"), on average ("constant"), and the rest. Between two strata, blocks have means, means of rows and columns, and a rest
("cross"). Plain relabelling is the case m = 1. Several tables that one relabelling acts on together are more copies of the same
parts.

Mean and variance of the plain case: Mantel (1967), Cancer Research 27:209. The tests compare all of it with enumeration.
Cost: (m^2 N)^2 per RDM for mean and variance, m^4 N^3 for the third moment.
"""

import math
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import torch

from convergence.analysis.third_moment import cubic_invariants, weighted
from convergence.compute.permute import row_sums, squares

_ENTRIES = 1 << 24                      # of square forms that are worked on at a time
_NUMBERS = 200_000                      # of a summary, at most


@dataclass(frozen=True)
class Summary:
    """What moments need to know of a stack of RDMs; rows are RDMs."""

    constant: torch.Tensor              # (n_rdms, n_constants)
    second: torch.Tensor                # (n_rdms, n_entries): the Gram matrices X X' of all other parts, flat
    weights: torch.Tensor               # (n_entries,): 1 / dimension of the part
    copies: tuple                       # of every part: its Gram matrix has copies^2 of the entries
    third: torch.Tensor | None          # (n_rdms, n_invariants); None: not asked for, or not known (several strata)
    layout: tuple = ()                  # of `third`: n_images, n_standard, n_even, n_odd
    single: torch.Tensor | None = None  # (n_rdms,): share of what varies that single images explain

    def triple(self, i, j, k):
        """E[r(i, j) r(j, k) r(k, i)], less the constant part, if the three RDMs are relabelled independently."""
        sizes = [m * m for m in self.copies]
        total = 0.0
        for weight, m, *grams in zip(self.weights.split(sizes), self.copies, *(self.second[x].split(sizes) for x in (i, j, k))):
            a, b, c = (gram.view(m, m) for gram in grams)
            total += float(torch.trace(a @ b @ c) * weight[0] ** 2)
        return total


def check_size(function, strata):
    """A ValueError where the strata are so many that closed-form summaries would be larger than the RDMs.

    Parameters
    ----------
    function : str
        The calling function, for the message.
    strata : list of tuples of (n_images, m_t) arrays
        See ``relabelling.image_strata``.
    """
    rows = torch.tensor([[places.shape[1] for places in stratum] for stratum in strata])
    copies = (rows ** 2 + rows * (rows - 1) // 2 + rows * (rows.sum(0) - rows)).sum(1)
    if int((copies ** 2).sum()) > _NUMBERS:
        raise ValueError(f"{function}: images fall into {len(strata)} strata that cannot be exchanged, and the closed form needs "
                         f"{int((copies ** 2).sum()):,} numbers per RDM; sample the null instead (permutation_null)")


def summarise(stacks, strata, *, third):
    """Summary of RDMs, each of which is given in one or several tables that one relabelling acts on.

    Parameters
    ----------
    stacks : list of (n_rdms, n_pairs_t) tensors
        Condensed RDMs, one stack per table; they are centred and scaled to norm 1 here, in float64.
    strata : list of tuples of (n_images, m_t) arrays
        See ``relabelling.image_strata``.
    third : bool
        Also what the third moment needs, if there is one stratum.
    """
    sizes = [sum(stratum[t].size for stratum in strata) for t in range(len(stacks))]
    third = third and len(strata) == 1
    plain = len(strata) == 1 and [rows.shape[1] for rows in strata[0]] == [1]
    chunk = max(1, _ENTRIES // sum(n ** 2 for n in sizes))
    parts = []
    for start in range(0, len(stacks[0]), chunk):
        some = [_unit(stack[start:start + chunk]) for stack in stacks]
        parts.append(_plain(some[0], sizes[0]) if plain and not third else _summarise(some, sizes, strata, third))
    constant = torch.cat([p.constant for p in parts])
    constant = constant * (not plain)                                           # plain: 0 but for rounding
    return Summary(constant, torch.cat([p.second for p in parts]), parts[0].weights, parts[0].copies,
                   torch.cat([p.third for p in parts]) if third else None, parts[0].layout, torch.cat([p.single for p in parts]))


def moments(a, b, *, paired):
    """Mean, variance and third central moment of <a, s b> for summarised stacks: (n_a, n_b) each, or (n_rdms,) if paired.

    The third moment is NaN where it is not known.
    """
    product = (lambda x, y: (x * y).sum(1)) if paired else (lambda x, y: x @ y.T)
    mean, variance = product(a.constant, b.constant), product(a.second * a.weights, b.second).clamp(min=0)
    if a.third is None:
        return mean, variance, torch.full_like(mean, torch.nan)
    return mean, variance, product(a.third, weighted(b.third, *b.layout))


def _unit(rdms):
    """Centred, norm 1, in float64. Centred twice: the first mean is rounded where it is large."""
    rdms = rdms.double()
    rdms = rdms - rdms.mean(1, keepdim=True)
    rdms = rdms - rdms.mean(1, keepdim=True)
    return rdms / rdms.norm(dim=1, keepdim=True)


def _plain(rdms, n):
    """Mean and variance of plain relabelling, from row sums: main effects of single stimuli have the share s, the rest 1 - s."""
    sums = row_sums(rdms, n)
    sums = sums - sums.mean(1, keepdim=True)
    share = (sums ** 2).sum(1) / (n - 2)
    second = torch.stack([share, (rdms ** 2).sum(1) - share], 1)
    weights = share.new_tensor([1 / (n - 1), 2 / (n * (n - 3))])
    return Summary(torch.zeros_like(second[:, :1]), second, weights, (1, 1), None, single=share)


def _summarise(stacks, sizes, strata, third):
    tables = [_Blocks(squares(stack, n), [stratum[t] for stratum in strata]) for t, (stack, n) in enumerate(zip(stacks, sizes))]
    constant, standard, grams = [], [[] for _ in strata], []
    for g, stratum in enumerate(strata):
        within = _Within([table.between(g, g) for table in tables])
        constant.append(within.constant)
        standard[g].append(within.standard)
        grams += within.grams()
    for g, h in combinations(range(len(strata)), 2):
        means, by_row, by_column, gram = _between(torch.cat([table.between(g, h).flatten(1, 2) for table in tables], 1))
        constant.append(means)
        standard[g].append(by_row)
        standard[h].append(by_column)
        grams.append(gram)
    standard = [torch.cat(rows, 1) for rows in standard]
    grams += [(y.shape[2] - 1, y @ y.transpose(1, 2)) for y in standard]
    grams = [(dimension, gram.flatten(1)) for dimension, gram in grams if dimension > 0 and gram.numel()]
    weights = torch.cat([gram.new_full((gram.shape[1],), 1 / dimension) for dimension, gram in grams])
    invariants = layout = None
    if third:
        even, odd = within.pure()
        invariants = cubic_invariants(standard[0], even, odd)
        layout = (standard[0].shape[2], standard[0].shape[1], even.shape[1], odd.shape[1])
    copies = tuple(math.isqrt(gram.shape[1]) for _, gram in grams)
    traces = torch.cat([gram[:, ::m + 1].sum(1, keepdim=True) for m, (_, gram) in zip(copies, grams)], 1)
    single = sum((y ** 2).sum((1, 2)) for y in standard) / traces.sum(1)
    second = torch.cat([gram for _, gram in grams], 1)
    return Summary(torch.cat(constant, 1), second, weights, copies, invariants, layout or (), single)


class _Blocks:
    """Square RDMs of a table, cut into blocks of repetition p of the images of one stratum with repetition q of another's."""

    def __init__(self, square, rows):
        order = torch.cat([torch.as_tensor(r).T.flatten() for r in rows]).to(square.device)         # repetition by repetition
        in_order = torch.equal(order.cpu(), torch.arange(len(order)))
        self.square = square if in_order else square.index_select(1, order).index_select(2, order)
        self.shapes = [r.shape for r in rows]
        self.starts = [sum(n * m for n, m in self.shapes[:g]) for g in range(len(rows))]

    def between(self, g, h):
        """(n_rdms, m_g, m_h, N_g, N_h)"""
        (n, m), (n_other, m_other) = self.shapes[g], self.shapes[h]
        part = self.square[:, self.starts[g]:self.starts[g] + n * m, self.starts[h]:self.starts[h] + n_other * m_other]
        return part.reshape(len(part), m, n, m_other, n_other).transpose(2, 3)


class _Within:
    """One stratum of N images: its blocks T_pq in all tables, and the parts that they have."""

    def __init__(self, tables):
        self.n = n = tables[0].shape[-1]
        diagonals = [table.diagonal(dim1=-2, dim2=-1) for table in tables]
        within = [d[:, p, q][:, None] for d in diagonals for p, q in combinations(range(d.shape[1]), 2)]
        within = torch.cat(within or [diagonals[0][:, :0, 0]], 1)
        self.blocks = torch.cat([table.flatten(1, 2) for table in tables], 1).clone()
        self.blocks.diagonal(dim1=-2, dim2=-1).zero_()              # an image with itself is no relation of images
        maps = zip(*(_parity(t.shape[1]) for t in tables))
        self.even_map, self.odd_map = (torch.block_diag(*of_tables).to(self.blocks) for of_tables in maps)
        sums = self.blocks.sum(-1)
        self.odd_sums, even_sums = self.odd_map @ sums, self.even_map @ sums
        self.means = even_sums.sum(-1) / max(n * (n - 1), 1)
        effects = even_sums - (n - 1) * self.means[:, :, None]
        self.effects = effects - effects.mean(-1, keepdim=True)
        level = within.mean(-1)
        self.constant = torch.cat([self.means * (n * (n - 1) / 2) ** 0.5, level * n ** 0.5], 1)
        self.standard = torch.cat([self.effects / max(n - 2, 1) ** 0.5, self.odd_sums / n ** 0.5, within - level[:, :, None]], 1)

    def grams(self):
        """(dimension, X X') of the even and the odd part, without forming the parts."""
        n, flat = self.n, self.blocks.flatten(2)
        products = flat @ flat.transpose(1, 2) / 2                  # every two images stand there twice
        outer = lambda x: x @ x.transpose(1, 2)
        even = self.even_map @ products @ self.even_map.T - outer(self.effects) / max(n - 2, 1)
        even = even - n * (n - 1) / 2 * outer(self.means[:, :, None])
        odd = self.odd_map @ products @ self.odd_map.T - outer(self.odd_sums) / n
        return [(n * (n - 3) / 2, even), ((n - 1) * (n - 2) / 2, odd)]

    def pure(self):
        """The even and the odd part: (n_rdms, n_even, N, N), (n_rdms, n_odd, N, N), with zero row sums and zero diagonal."""
        of_one = self.effects / max(self.n - 2, 1)
        even = torch.einsum("eb,rbkl->rekl", self.even_map, self.blocks)
        even = even - self.means[:, :, None, None] - of_one[..., None] - of_one[..., None, :]
        even.diagonal(dim1=-2, dim2=-1).zero_()
        of_one = self.odd_sums / self.n
        odd = torch.einsum("eb,rbkl->rekl", self.odd_map, self.blocks) - of_one[..., None] + of_one[..., None, :]
        return even, odd


def _between(blocks):
    """Two strata, (n_rdms, n_blocks, N, N'): constant and standard coordinates, and (dimension, X X') of the cross part."""
    n, n_other = blocks.shape[2:]
    means = blocks.mean((2, 3))
    by_row, by_column = blocks.mean(3) - means[:, :, None], blocks.mean(2) - means[:, :, None]
    rest = blocks - by_row[..., None] - by_column[..., None, :] - means[:, :, None, None]
    flat = rest.flatten(2)
    return (means * (n * n_other) ** 0.5, by_row * n_other ** 0.5, by_column * n ** 0.5,
            ((n - 1) * (n_other - 1), flat @ flat.transpose(1, 2)))


def _parity(m):
    """Orthonormal maps of m^2 blocks to symmetric and antisymmetric combinations: (m (m + 1) / 2, m^2), (m (m - 1) / 2, m^2)."""
    even, odd = [], []
    for p, q in combinations_with_replacement(range(m), 2):
        one, other = torch.zeros(2, m * m, dtype=torch.float64)
        one[p * m + q] = other[q * m + p] = 1.0
        even.append(one if p == q else (one + other) / 2 ** 0.5)
        odd += [] if p == q else [(one - other) / 2 ** 0.5]
    stack = lambda rows: torch.stack(rows) if rows else torch.zeros(0, m * m, dtype=torch.float64)
    return stack(even), stack(odd)

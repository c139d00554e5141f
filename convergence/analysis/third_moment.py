"""The third central moment of r under relabelling, for one stratum of images: cubic invariants of an RDM's parts, and weights.

With y the standard coordinates and f, g, h the even (sign +1) and odd (-1) blocks less all that single images explain
(moments.py), sums over images:

    M_abc = sum_k y_ak y_bk y_ck        Q_abf = sum_kl y_ak y_bl f_kl       P_afg = sum_kl y_ak f_kl g_kl
    F_fgh = sum_kl f_kl g_kl h_kl       T_fgh = sum_klj f_kl g_lj h_jk

and the third central moment of <a, s b> is a sum of products MM', QQ', PP', FF', FT' + TF', TT' of a's and b's invariants, each
with a weight that depends on N and on the signs only. Known for plain relabelling from Siemiatycki (1978), J. Stat. Comput.
Simul. 7:13. Cost: one product of N x N matrices for every two blocks.
"""

import math

import torch


def cubic_invariants(y, even, odd):
    """All invariants of each RDM, flat.

    Parameters
    ----------
    y : (n_rdms, n_standard, N) tensor
    even, odd : (n_rdms, n_even, N, N), (n_rdms, n_odd, N, N) tensors

    Returns
    -------
    (n_rdms, n_invariants) tensor
        M, Q, P, F, T one after the other.
    """
    f, sign = torch.cat([even, odd], 1), _signs(even.shape[1], odd.shape[1], like=y)
    m = torch.einsum("rak,rbk,rck->rabc", y, y, y)
    q = torch.einsum("rak,rfkb->rabf", y, f @ y.transpose(1, 2)[:, None])
    n_blocks, flat = f.shape[1], f.flatten(2)
    p, edge, cycle = (y.new_empty(len(y), *shape) for shape in ((y.shape[1], n_blocks, n_blocks), *[(n_blocks,) * 3] * 2))
    for i in range(n_blocks):
        rest = slice(i, None)                                       # a pair in the other order: the same, but for the signs
        same_place = f[:, i:i + 1] * f[:, rest]
        p[:, :, i, rest] = p[:, :, rest, i] = torch.einsum("rak,rgk->rag", y, same_place.sum(-1))
        edge[:, i, rest] = edge[:, rest, i] = same_place.flatten(2) @ flat.transpose(1, 2)
        chained = (f[:, i:i + 1] @ f[:, rest]).flatten(2) @ flat.transpose(1, 2) * sign
        cycle[:, i, rest] = chained
        cycle[:, rest, i] = chained * sign[i] * sign[rest, None] * sign
    return torch.cat([x.flatten(1) for x in (m, q, p, edge, cycle)], 1)


def weighted(invariants, n, n_standard, n_even, n_odd):
    """Invariants times weights: the third central moment is the sum of products of one RDM's invariants with these of another."""
    n_blocks, over, falling = n_even + n_odd, _reciprocal, lambda v: _reciprocal(*range(n - v + 1, n + 1))
    sizes = [n_standard ** 3, n_standard ** 2 * n_blocks, n_standard * n_blocks ** 2, n_blocks ** 3, n_blocks ** 3]
    m, q, p, edge, cycle = invariants.split(sizes, 1)
    sign = _signs(n_even, n_odd, like=invariants)
    even, odd = (1 + sign) / 2, (1 - sign) / 2                                          # 1 or 0, in the invariants' own type
    for_q = over(n, n - 3) * even + over(n - 1, n - 2) * odd
    n_odd_of_two = odd[:, None] + odd
    by_number = ((n - 2) * over(n - 1, n - 3, n - 4), over(n - 1, n - 3), n * over(n - 1, n - 2, n - 3))
    for_p = torch.stack([n_odd_of_two.new_tensor(x) for x in by_number])
    for_p = for_p[n_odd_of_two.long()]
    three = [x.view(shape) for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)) for x in (even,)]
    signs = [2 * x - 1 for x in three]
    n_signs, all_even = sum(three), math.prod(three)
    after = sum(x * s for x, s in zip(three, signs[1:] + signs[:1]))        # of every even block, the sign of the next in turn
    edge_edge = falling(2) / 2 + 3 * falling(3) + (7 + n_signs) * falling(4)
    edge_edge = edge_edge + 8 * n_signs * falling(5) + 32 * all_even * falling(6)
    edge_cycle = -sum(signs) * falling(4) - 4 * after * falling(5) - 16 * all_even * falling(6)
    cycle_cycle = falling(3) + 3 * falling(4) + 2 * n_signs * falling(5) + 8 * all_even * falling(6)
    a, b, c = (x.expand(n_blocks, n_blocks, n_blocks).flatten() for x in (edge_edge, edge_cycle, cycle_cycle))
    return torch.cat([n * over(n - 1, n - 2) * m, 3 * for_q.repeat(n_standard ** 2) * q,
                      3 * for_p.flatten().repeat(n_standard) * p, a * edge + b * cycle, b * edge + c * cycle], 1)


def _signs(n_even, n_odd, *, like):
    return torch.cat([like.new_ones(n_even), -like.new_ones(n_odd)])


def _reciprocal(*factors):
    """1 / product; 0 where a factor is 0: with so few images the pattern does not occur."""
    product = math.prod(factors)
    return 1 / product if product else 0.0

"""Every sentence of analysis.validation, read as a user reads it."""

import numpy as np
import pandas as pd
import pytest
import torch

from convergence.analysis import validation

RDMS = np.random.default_rng(0).random((5, 4186)).astype(np.float32)           # 92 stimuli
LABELS = ["V1", "V2", "MST", "52", "PI"]


def spoilt(rows, value, column=17):
    rdms = RDMS.copy()
    rdms[rows, column] = value
    return rdms


def sentence(check, *arguments, **options):
    with pytest.raises(ValueError) as error:
        check(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
@pytest.mark.parametrize("stacks, expected", [
    (dict(a=RDMS, b=RDMS[:, :1225]),
     "rsa: b has 1,225 pairs (50 stimuli), a has 4,186 pairs (92 stimuli); select the same stimuli in both first."),
    (dict(a=RDMS, b=RDMS, c=RDMS[0, :6]),
     "rsa: c has 6 pairs (4 stimuli), a has 4,186 pairs (92 stimuli); select the same stimuli in both first."),
    (dict(a=RDMS[:, :4185]), "rsa: a has 4,185 pairs, which is no n (n - 1) / 2: 91 stimuli have 4,095 pairs, 92 have 4,186"),
    (dict(a=RDMS, b=RDMS[:, :3]), "rsa: b has 3 pairs (3 stimuli); at least 4 stimuli are needed"),
    (dict(a=RDMS[:, :1]), "rsa: a has 1 pair (2 stimuli); at least 4 stimuli are needed"),
    (dict(a=RDMS[None]), "rsa: a has shape (1, 5, 4186); expected condensed RDMs, (n_rdms, n_pairs) or (n_pairs,)"),
    (dict(a=np.float32(3)), "rsa: a has shape (); expected condensed RDMs, (n_rdms, n_pairs) or (n_pairs,)"),
    (dict(a=spoilt([0, 1, 3], np.nan)), "rsa: a has NaN in 3 of 5 RDMs: 0-1, 3; leave them out; nothing is averaged over NaN "
                                        "silently"),
    (dict(a=RDMS, b=spoilt([4], -np.inf)), "rsa: b has infinity in 1 of 5 RDMs: 4; leave them out; nothing is averaged over "
                                           "NaN silently"),
    (dict(a=spoilt([2], np.nan)[2]), "rsa: a has NaN; leave them out; nothing is averaged over NaN silently"),
    (dict(a=np.where(np.arange(5)[:, None] == 3, 0.7, RDMS)),
     "rsa: a is constant in 1 of 5 RDMs: 3; the similarity with a constant RDM is undefined, leave it out"),
    (dict(a=np.zeros(6)), "rsa: a is constant; the similarity with a constant RDM is undefined, leave it out"),
])
def test_stacks_of_rdms(library, stacks, expected):
    assert sentence(validation.rdm_stacks, "rsa", **{name: library(stack) for name, stack in stacks.items()}) == expected


def test_all_offenders_are_named():
    bad = spoilt([0, 2], np.nan)
    bad[3, 5] = np.inf
    text = sentence(validation.rdm_stacks, "rsa", a=bad, labels=LABELS, what="ROIs")
    assert text.startswith("rsa: a has NaN in 2 of 5 ROIs: V1, MST and infinity in 1 of 5 ROIs: 52; leave them out")


def test_a_constant_that_went_through_arithmetic_is_constant():
    almost = np.nextafter(np.full(4186, 0.7, np.float32), np.float32(1), where=np.arange(4186) % 2 == 0,
                          out=np.full(4186, 0.7, np.float32))
    assert "a is constant" in sentence(validation.rdm_stacks, "rsa", a=almost)
    assert "a is constant" in sentence(validation.rdm_stacks, "rsa", a=np.full(6, 3))               # integers too
    validation.rdm_stacks("rsa", a=1 + 1e-6 * RDMS[0].astype(np.float64))                           # small, but real


@pytest.mark.parametrize("shape", [(14, 14), (6, 6), (3, 92, 92)])
def test_square_rdms_are_recognised_even_where_their_width_is_a_number_of_pairs(shape):
    square = np.random.default_rng(1).random(shape)
    square = square + square.swapaxes(-1, -2)
    square[..., range(shape[-1]), range(shape[-1])] = 0
    n = shape[-1]
    assert sentence(validation.rdm_stacks, "rsa", a=square) == (
        f"rsa: a has shape {shape} and looks like square RDMs of {n} stimuli; pass the upper triangle instead: "
        f"i, j = numpy.triu_indices({n}, 1); a[..., i, j]")


def test_good_stacks_come_back_as_they_are():
    tensor = torch.from_numpy(RDMS)
    (a, b, c), n = validation.rdm_stacks("rsa", a=RDMS, b=tensor, c=RDMS[1].tolist())
    assert a is RDMS and b is tensor and isinstance(c, np.ndarray) and n == 92
    (empty,), _ = validation.rdm_stacks("rsa", a=RDMS[:0])
    assert empty.shape == (0, 4186)
    (swapped,), _ = validation.rdm_stacks("rsa", a=RDMS.astype(">f4"))
    assert swapped.dtype.isnative and np.array_equal(swapped, RDMS)


@pytest.mark.parametrize("values, expected", [
    ([[1, 2], [3]], "f: x is no rectangular array of numbers ("),
    (["1", "2"], "f: x is list of type <U1; expected an array of real numbers"),
    (None, "f: x is NoneType of type object; expected an array of real numbers"),
    (np.ones(3, complex), "f: x is ndarray of type complex128; expected an array of real numbers"),
    (torch.ones(3, dtype=torch.complex64), "f: x holds complex numbers (torch.complex64); expected real ones"),
])
def test_numbers(values, expected):
    assert sentence(validation.numbers, "f", "x", values).startswith(expected)


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
@pytest.mark.parametrize("values, columns, expected", [
    (np.ones(5), 1, "f: x has shape (5,); expected (n_stimuli, n_features)"),
    (np.ones((3, 7)), 1, "f: x has 3 rows (stimuli); at least 4 are needed"),
    (np.ones((5, 1)), 2, "f: x has 1 column (voxels or units); at least 2 are needed"),
    (np.ones((5, 0)), 1, "f: x has 0 columns (voxels or units); at least 1 is needed"),
    ([[1, 2], [3, np.nan], [5, np.inf], [7, 8], [np.nan, 1]], 1,
     "f: x has NaN in 2 of 5 rows: 1, 4 and infinity in 1 of 5 rows: 2; leave these stimuli out, or the columns (voxels) that "
     "hold no data"),
])
def test_responses(library, values, columns, expected):
    assert sentence(validation.responses, "f", "x", library(values), least_columns=columns) == expected


@pytest.mark.parametrize("value, expected", [
    ("pearsn", "f: method='pearsn' is unknown; did you mean 'pearson'? Choose from: 'pearson', 'rho_a'"),
    ("RHO-A", "f: method='RHO-A' is unknown; did you mean 'rho_a'? Choose from: 'pearson', 'rho_a'"),
    (None, "f: method=None is unknown; Choose from: 'pearson', 'rho_a'"),
    (["pearson"], "f: method=['pearson'] is unknown; did you mean 'pearson'? Choose from: 'pearson', 'rho_a'"),
])
def test_options(value, expected):
    assert sentence(validation.option, "f", "method", value, ("pearson", "rho_a")) == expected
    assert validation.option("f", "method", "rho_a", ("pearson", "rho_a")) == "rho_a"


def test_numbers_in_a_range():
    assert [validation.number("f", "clip", good, low=0, high=0.5) for good in (0, "0.25", np.float32(0.25))] == [0, 0.25, 0.25]
    for bad in (0.5, -0.1, np.nan, "much", [0.1, 0.2]):
        text = sentence(validation.number, "f", "clip", bad, low=0, high=0.5)
        assert text == f"f: clip={bad!r}; expected a number from 0 to below 0.5"


def test_counts():
    assert validation.whole_number("f", "n", np.int16(3), at_least=1) == 3
    for bad in (0, 2.0, "3", True, None):
        text = sentence(validation.whole_number, "f", "n", bad, at_least=1)
        assert text == f"f: n={bad!r}; expected a whole number, at least 1"


def test_one_per_stimulus():
    assert validation.one_per_stimulus("f", "blocks", torch.tensor([3, 3, 8, 8]), 4).tolist() == [3, 3, 8, 8]
    check = lambda values: sentence(validation.one_per_stimulus, "f", "blocks", values, 92)
    assert check(np.arange(90)) == "f: blocks has 90 entries, the RDMs have 92 stimuli; give one entry per stimulus, shape (92,)"
    assert check([1]) == "f: blocks has 1 entry, the RDMs have 92 stimuli; give one entry per stimulus, shape (92,)"
    assert check(np.ones((92, 2))).startswith("f: blocks has shape (92, 2), the RDMs have 92 stimuli; give one entry per")
    holes = np.where(np.isin(np.arange(92), [4, 5, 9]), np.nan, 1.0)
    assert check(holes) == "f: blocks has NaN at stimuli 4-5, 9; every stimulus needs an entry"


def test_relabellings():
    good = np.array([[1, 0, 2, 3], [3, 2, 1, 0]], np.uint8)
    assert validation.relabellings("f", "relabellings", good, 4).dtype == np.int64
    assert sentence(validation.relabellings, "f", "relabellings", np.ones((2, 5)), 4) == (
        "f: relabellings has shape (2, 5) and type float64; expected whole numbers, shape (n_permutations, 4): a row holds the "
        "new order of the 4 stimuli")
    bad = np.array([[0, 1, 2, 3], [0, 1, 1, 3], [1, 2, 3, 4]])
    text = sentence(validation.relabellings, "f", "relabellings", bad, 4)
    assert text == "f: relabellings has rows that are no permutation of 0 ... 3: 1-2"


def test_columns_of_a_table():
    table = pd.DataFrame({"roi": [1], "similarity": [0.5]})
    text = sentence(validation.has_columns, "f", "table", table, ["roi", "layer"])
    assert text == "f: table lacks the column layer; it has roi, similarity"
    assert "lacks the columns layer, model;" in sentence(validation.has_columns, "f", "table", table, ["layer", "model"])


@pytest.mark.parametrize("n", [1, 2, 4, 92, 3000, 100_001])
def test_n_stimuli(n):
    assert validation.n_stimuli(n * (n - 1) // 2) == n
    if n > 2:
        with pytest.raises(ValueError, match=r"no n \(n - 1\) / 2"):
            validation.n_stimuli(n * (n - 1) // 2 + 1)

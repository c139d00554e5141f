"""The pieces of Gram matrices, arrays against tensors."""

import numpy as np
import pytest
import torch

from convergence.compute.gram import as_type, condense, enter_native, means, row_products


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_and_tensors_agree(dtype):
    rows = np.random.default_rng(0).standard_normal((7, 33)).astype(dtype) + 3
    i, j = np.triu_indices(7, 1)
    square = rows @ rows[::-1].T                                    # not symmetric: the upper triangle is meant
    for condensed in (condense(square), condense(torch.from_numpy(square)).numpy()):
        assert condensed.dtype == dtype and np.array_equal(condensed, square[i, j])
    for function, expected in ((lambda x: row_products(x, x), (rows.astype(float) ** 2).sum(1)),
                               (means, rows.astype(float).mean(1))):
        for found in (function(rows), function(torch.from_numpy(rows)).numpy()):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_means_of_a_large_region_are_accurate():
    rows = 1000 + np.random.default_rng(1).standard_normal((20, 20_000), dtype=np.float32)
    np.testing.assert_allclose(means(rows), rows.mean(1, dtype=np.float64), rtol=3e-7)


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy])
def test_work_on_a_cpu_is_done_by_numpy_and_goes_back_where_it_came_from(library):
    given = np.arange(6, dtype=np.int16)
    out, x = enter_native(library(given), device="cpu")
    assert isinstance(x, np.ndarray) and x.dtype == np.float32
    assert type(out(2 * x)) is type(library(given)) and out(torch.ones(2)).shape == (2,)


def test_types_by_name_and_by_example():
    for x in (np.ones(3, np.float32), torch.ones(3)):
        assert as_type(as_type(x, "float64"), x.dtype).dtype == x.dtype and "float64" in str(as_type(x, "float64").dtype)

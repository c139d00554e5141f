"""What came in goes out; float64 stays wide, everything else is computed in float32."""

import numpy as np
import pytest
import torch

from convergence.compute.device import enter, resolve


@pytest.mark.parametrize("given, computed", [("float16", "float32"), ("int16", "float32"), ("uint8", "float32"), ("bool", "float32"), ("float32", "float32"),
                                             ("float64", "float64"), ("int64", "float64"), ("uint32", "float64")])
def test_types(given, computed):
    out, x = enter(np.array([[0, 1, 1]]).astype(given))
    assert str(x.dtype) == f"torch.{computed}"
    result = out(x * 2)
    assert isinstance(result, np.ndarray) and str(result.dtype) == computed and result.tolist() == [[0, 2, 2]]


def test_bfloat16_tensors_are_computed_in_float32_and_stay_tensors():
    out, x, y = enter(torch.ones(3, dtype=torch.bfloat16), np.ones(3, np.float32))
    assert x.dtype == y.dtype == torch.float32 and isinstance(out(x + y), torch.Tensor)


def test_one_wide_input_makes_all_wide():
    _, x, nothing, y = enter(np.ones(3, np.float32), None, np.ones(3))
    assert x.dtype == y.dtype == torch.float64 and nothing is None


def test_read_only_and_strided_inputs_are_taken_and_left_alone():
    array = np.arange(12.0).reshape(3, 4)[:, ::2]
    array.flags.writeable = False
    _, x = enter(array)
    x += 1
    assert array.tolist() == [[0, 2], [4, 6], [8, 10]]


def test_devices_that_are_not_there_are_named():
    with pytest.raises(ValueError, match="device: 'gpu9' is not a device; use 'auto'"):
        resolve("gpu9")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' was asked for, but torch finds no CUDA device"):
            resolve("cuda")
        assert resolve("auto").type == "cpu"


def test_text_is_refused():
    with pytest.raises(ValueError, match="expected numbers"):
        enter(np.array(["a"]))

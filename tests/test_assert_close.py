"""``testing.assert_close``: what it accepts, and what it says."""

import numpy as np
import pytest

import rustorch as torch
from rustorch.testing import assert_allclose, assert_close

T = torch.tensor


def complaint(actual, expected, **options) -> str:
    with pytest.raises(AssertionError) as raised:
        assert_close(actual, expected, **options)
    return str(raised.value)


def test_close_values_pass() -> None:
    assert_close(T([1.0]), T([1.0 + 1e-7]))
    assert_close({"a": [T([1]), 2.5]}, {"a": [T([1]), 2.5]})
    assert_close(T([float("nan"), float("inf")]), T([float("nan"), float("inf")]), equal_nan=True)
    assert_close(T([1.0], dtype=torch.float64), T([1.0]), check_dtype=False)
    assert_close(np.array([1.0]), np.array([1.0]))
    assert_close(None, None)


def test_the_worst_differences_are_named() -> None:
    assert complaint(T([[1.0, 2.0], [3.0, 5.0]]), T([[1.0, 2.0], [3.0, 4.0]])) == (
        "Tensor-likes are not close!\n\n"
        "Mismatched elements: 1 / 4 (25.0%)\n"
        "Greatest absolute difference: 1.0 at index (1, 1) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.25 at index (1, 1) (up to 1.3e-06 allowed)"
    )
    assert complaint(T([1, 2]), T([1, 3])) == (
        "Tensor-likes are not equal!\n\n"
        "Mismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: 1 at index (1,)\n"
        "Greatest relative difference: 0.3333333432674408 at index (1,)"
    )


def test_numbers() -> None:
    assert complaint(1.0, 2.0) == (
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\n"
        "Absolute difference: 1.0 (up to 1e-07 allowed)\nRelative difference: 0.5 (up to 1e-07 allowed)"
    )
    assert complaint(True, False) == "Booleans mismatch: True is not False"


def test_attributes() -> None:
    assert complaint(T([1.0]), T([1])) == "The values for attribute 'dtype' do not match: torch.float32 != torch.int64."
    assert "attribute 'shape'" in complaint(T([1.0]), T([1.0, 2.0]))
    assert "attribute 'stride()'" in complaint(torch.ones(2, 3), torch.ones(3, 2).t(), check_stride=True)


def test_containers_name_the_place() -> None:
    assert complaint([T(1.0), {"k": T(2.0)}], [T(1.0), {"k": T(3.0)}]).endswith(
        "The failure occurred for item [1]['k']"
    )
    assert complaint([1], [1, 2]) == "The length of the sequences mismatch: 1 != 2"
    assert "Missing keys in the actual mapping: ['b']" in complaint({"a": 1}, {"b": 1})


def test_options() -> None:
    assert complaint(T([1.0]), T([2.0]), msg="own") == "own"
    assert complaint(T([1.0]), T([2.0]), msg=lambda text: "own " + text).startswith("own Tensor-likes")
    with pytest.raises(ValueError, match="but got no atol"):
        assert_close(1.0, 1.0, rtol=1.0)
    with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
        assert_close("a", "a")
    with pytest.warns(FutureWarning, match="deprecated"):
        assert_allclose([1.0], [1.0])

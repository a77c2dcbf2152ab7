"""Comparing tensors in tests."""

from rustorch.testing.closeness import assert_allclose, assert_close

__all__ = ["assert_allclose", "assert_close"]

"""``assert_close``: whether values are as close as their precision lets one expect, and if not, where and how far."""

import cmath
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rustorch
from rustorch import Tensor

__all__ = ["assert_allclose", "assert_close"]

_Message = str | Callable[[str], str] | None

#: Relative and absolute tolerance; dtypes that are not here must be equal.
_TOLERANCES: dict[Any, tuple[float, float]] = {
    rustorch.float16: (1e-3, 1e-5),
    rustorch.bfloat16: (1.6e-2, 1e-5),
    rustorch.float32: (1.3e-6, 1e-5),
    rustorch.float64: (1e-7, 1e-7),
    rustorch.complex64: (1.3e-6, 1e-5),
    rustorch.complex128: (1e-7, 1e-7),
}
_OF_NUMBERS: dict[type, Any] = {float: rustorch.float64, complex: rustorch.complex128}


class _Comparison:
    """The options of one ``assert_close``."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, checks: dict[str, bool]) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.rtol, self.atol, self.equal_nan, self.checks = rtol, atol, equal_nan, checks

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        """The given ones, or the widest that the dtypes have."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def __call__(self, actual: Any, expected: Any) -> str | None:
        """What is wrong, None where nothing is."""
        kind = _kind(actual, expected)
        if kind == "mapping":
            return self._mappings(actual, expected)
        if kind == "sequence":
            return self._sequences(actual, expected)
        if kind == "none":
            return None if actual is expected else f"None mismatch: {actual} is not {expected}"
        if kind == "bool":
            return None if bool(actual) is bool(expected) else f"Booleans mismatch: {actual} is not {expected}"
        if kind == "number":
            return self._numbers(actual, expected)
        return self._tensors(rustorch.as_tensor(actual), rustorch.as_tensor(expected))

    def _mappings(self, actual: Any, expected: Any) -> str | None:
        missing, additional = set(expected) - set(actual), set(actual) - set(expected)
        if missing or additional:
            return (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
                f"Additional keys in the actual mapping: {sorted(additional, key=str)}"
            )
        return self._items(sorted(actual, key=str), actual, expected)

    def _sequences(self, actual: Any, expected: Any) -> str | None:
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        return self._items(range(len(actual)), actual, expected)

    def _items(self, keys: Any, actual: Any, expected: Any) -> str | None:
        for key in keys:
            wrong = self(actual[key], expected[key])
            if wrong is not None:
                place = f"[{key!r}]"
                text, found, inner = wrong.partition("\n\nThe failure occurred for item ")
                return f"{text}\n\nThe failure occurred for item {place}{inner if found else ''}"
        return None

    def _numbers(self, actual: Any, expected: Any) -> str | None:
        rtol, atol = self.tolerances(*(_OF_NUMBERS.get(type(value)) for value in (actual, expected)))
        difference = abs(actual - expected)
        both_nan = self.equal_nan and cmath.isnan(actual) and cmath.isnan(expected)
        if actual == expected or both_nan or (cmath.isfinite(expected) and difference <= atol + rtol * abs(expected)):
            return None
        relative = difference / abs(expected) if expected else float("inf")
        exact = rtol == 0 and atol == 0
        up_to = ("", "") if exact else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
        return (
            f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got {actual}.\n"
            f"Absolute difference: {difference}{up_to[0]}\nRelative difference: {relative}{up_to[1]}"
        )

    def _tensors(self, actual: Tensor, expected: Tensor) -> str | None:
        for name in ("shape", "device", "dtype", "layout"):
            ours, theirs = getattr(actual, name), getattr(expected, name)
            if self.checks.get(name, True) and ours != theirs:
                return f"The values for attribute '{name}' do not match: {ours} != {theirs}."
        if self.checks["stride"] and actual.stride() != expected.stride():
            return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
        rtol, atol = self.tolerances(actual.dtype, expected.dtype)
        if actual.dtype != expected.dtype:
            dtype = rustorch.promote_types(actual.dtype, expected.dtype)
            actual, expected = actual.to(dtype), expected.to(dtype)
        actual, expected = actual.detach(), expected.detach()
        close = rustorch.isclose(actual, expected, rtol, atol, self.equal_nan)
        return None if bool(close.all()) else _report(actual, expected, ~close, rtol, atol)


def _kind(actual: Any, expected: Any) -> str:
    """How a pair is compared; TypeError where nothing fits."""
    pair = (actual, expected)
    numpy = sys.modules.get("numpy")
    array = (Tensor, numpy.ndarray) if numpy else (Tensor,)
    if all(isinstance(value, Mapping) for value in pair):
        return "mapping"
    if all(isinstance(value, Sequence) and not isinstance(value, str | bytes) for value in pair):
        return "sequence"
    if actual is None or expected is None:
        return "none"
    if all(isinstance(value, bool) for value in pair):
        return "bool"
    if all(isinstance(value, int | float | complex) and not isinstance(value, bool) for value in pair):
        return "number"
    if all(isinstance(value, array) for value in pair):
        return "tensor"
    raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


def _index(place: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Where the element at ``place`` in row-major order stands."""
    index: list[int] = []
    for size in reversed(shape):
        place, position = divmod(place, size)
        index.insert(0, position)
    return tuple(index)


def _report(actual: Tensor, expected: Tensor, wrong: Tensor, rtol: float, atol: float) -> str:
    """How many elements are wrong, and the worst of them."""
    if actual.dtype == rustorch.bool or not (actual.is_floating_point() or actual.is_complex()):
        actual, expected = actual.to(rustorch.int64), expected.to(rustorch.int64)
    exact = rtol == 0 and atol == 0
    absolute = (actual - expected).abs()
    # Elements that are close have no say in which one is worst.
    absolute[~wrong] = 0
    relative = absolute / expected.abs()
    relative[~wrong] = 0
    count, total = int(wrong.sum()), wrong.numel()
    if not wrong.dim():
        return _Comparison(rtol, atol, False, {})._numbers(actual.item(), expected.item()) or ""

    def worst(name: str, differences: Tensor, allowed: float) -> str:
        flat = differences.reshape(-1)
        place = int(flat.argmax())
        up_to = "" if exact else f" (up to {allowed} allowed)"
        return f"Greatest {name} difference: {flat[place].item()} at index {_index(place, wrong.shape)}{up_to}"

    return (
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
        f"Mismatched elements: {count} / {total} ({count / total:.1%})\n"
        f"{worst('absolute', absolute, atol)}\n{worst('relative', relative, rtol)}"
    )


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: _Message = None,
) -> None:
    """Raises AssertionError, with the worst differences, unless ``|actual - expected| <= atol + rtol * |expected|``.

    Tensors, arrays and numbers are compared, in mappings and sequences of any depth.

    Args:
        actual, expected: what to compare.
        allow_subclasses: whether the two may be of different classes.
        rtol, atol: both or none; by default what the dtype lets expect (float32: 1.3e-6 and 1e-5).
        equal_nan: whether NaN equals NaN.
        check_device, check_dtype, check_layout, check_stride: what else must be equal.
        msg: the error's text, or what makes it of the usual one.

    Raises:
        AssertionError: they are not close.
        TypeError: one is nothing that can be compared.

    Example::

        >>> import rustorch as torch
        >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    if not allow_subclasses and type(actual) is not type(expected):
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
    checks = {"device": check_device, "dtype": check_dtype, "layout": check_layout, "stride": check_stride}
    wrong = _Comparison(rtol, atol, equal_nan, checks)(actual, expected)
    if wrong is None:
        return
    if msg is not None:
        wrong = msg if isinstance(msg, str) else msg(wrong)
    raise AssertionError(wrong)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The old form of :func:`assert_close`, which also takes what only becomes a tensor."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    actual = actual if isinstance(actual, Tensor) else rustorch.tensor(actual)
    expected = expected if isinstance(expected, Tensor) else rustorch.tensor(expected, dtype=actual.dtype)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)

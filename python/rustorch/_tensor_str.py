"""Printing: what ``repr(tensor)`` says, to the character as PyTorch says it.

The values that will be shown are read with one ``tolist()``, written with one common format (chosen from all of them,
so that columns line up) and only then put between brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import floor, inf, isfinite
from typing import Any

from rustorch import _C

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    """The print options in force; ``sci_mode`` None lets the values decide."""

    def __init__(self) -> None:
        self.precision: int = 4
        self.threshold: float = 1000
        self.edgeitems: int = 3
        self.linewidth: int = 80
        self.sci_mode: bool | None = None


_options = _Options()
_PROFILES: dict[str, tuple[int, float, int, int]] = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Changes how tensors are printed from now on.

    Args:
        precision: digits after the point (4).
        threshold: with more elements than this only the edges are shown (1000).
        edgeitems: how many entries an edge has, at each end of each dimension (3).
        linewidth: where lines break (80).
        profile: ``"default"``, ``"short"`` or ``"full"`` sets all of the above first.
        sci_mode: whether to use scientific notation; None, also when left out, lets the values decide.

    Example::

        >>> import rustorch as torch
        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.12345])
        tensor([1.12])
        >>> torch.set_printoptions(profile="default")
    """
    if profile in _PROFILES:
        _options.precision, _options.threshold, _options.edgeitems, _options.linewidth = _PROFILES[profile]
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as the keyword arguments of :func:`set_printoptions`."""
    return dict(vars(_options))


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Changes the print options inside a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# ---- numbers to words


def _scientific(finite: list[float]) -> bool:
    """Whether the span of the values (all finite, none zero) asks for scientific notation."""
    if _options.sci_mode is not None:
        return _options.sci_mode
    magnitudes = [abs(value) for value in finite]
    smallest, largest = min(magnitudes), max(magnitudes)
    return largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4


def _whole(value: float) -> str:
    return f"{value:.0f}." if isfinite(value) else f"{value:.0f}"


def _float_words(values: list[float]) -> tuple[list[str], int]:
    """Every value written in one format, and the width of a column.

    Zeros, infinities and NaNs have no say in the format or the width: they may stick out.
    """
    finite = [value for value in values if value and isfinite(value)]
    if not finite:
        return [_whole(value) for value in values], 1
    write: Callable[[float], str]
    if _scientific(finite):
        write = f"{{:.{_options.precision}e}}".format
    elif all(value.is_integer() for value in finite):
        write = _whole
    else:
        write = f"{{:.{_options.precision}f}}".format
    width = max(1, max(len(write(value)) for value in finite))
    return [write(value).rjust(width) for value in values], width


def _complex_words(values: list[complex]) -> tuple[list[str], int]:
    """Real and imaginary parts have a format each."""
    real, real_width = _float_words([value.real for value in values])
    imaginary, imaginary_width = _float_words([value.imag for value in values])
    words = []
    for left, right in zip(real, imaginary, strict=True):
        right = right.lstrip()
        sign = "" if right[0] in "+-" else "+"
        words.append(f"{left}{sign}{right}j")
    return words, real_width + imaginary_width + 1


def _integer_words(values: list[int]) -> tuple[list[str], int]:
    words = [str(value) for value in values]
    width = max(len(word) for word in words)
    return [word.rjust(width) for word in words], width


def _words(values: list[Any], dtype: _C.dtype) -> tuple[list[str], int]:
    if dtype.is_floating_point:
        return _float_words(values)
    if dtype.is_complex:
        return _complex_words(values)
    return _integer_words(values)


# ---- words to brackets


def _row(words: list[str], elided: bool, width: int, indent: int) -> str:
    """One innermost dimension, broken into lines of ``linewidth``."""
    if elided:
        words = [*words[: _options.edgeitems], " ...", *words[_options.edgeitems :]]
    per_line = max(1, floor((_options.linewidth - indent) / (width + 2)))
    lines = [", ".join(words[start : start + per_line]) for start in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _brackets(words: list[str], shape: Sequence[int], elided: Sequence[bool], width: int, indent: int) -> str:
    """Nests the words, given in row-major order, as ``shape`` says; ``elided`` dimensions show dots in the middle."""
    if len(shape) == 1:
        return _row(words, elided[0], width, indent)
    block = len(words) // shape[0]
    blocks = [
        _brackets(words[at : at + block], shape[1:], elided[1:], width, indent + 1)
        for at in range(0, len(words), block)
    ]
    if elided[0]:
        blocks.insert(_options.edgeitems, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(blocks) + "]"


def _edges(tensor: _C.Tensor) -> tuple[_C.Tensor, list[bool]]:
    """The corners of a long tensor, and which of its dimensions lost their middle."""
    edge = _options.edgeitems
    elided = [size > 2 * edge for size in tensor.shape]
    for dim, size in enumerate(tensor.shape):
        if elided[dim]:
            tensor = _C.cat((tensor.narrow(dim, 0, edge), tensor.narrow(dim, size - edge, edge)), dim)
    return tensor, elided


def _contents(tensor: _C.Tensor, indent: int) -> str:
    """The values of a tensor that has some, without prefix and suffixes."""
    tensor = tensor.detach()
    if not tensor.shape:
        return _words([tensor.item()], tensor.dtype)[0][0]
    elided: Sequence[bool] = (False,) * tensor.dim()
    if tensor.numel() > _options.threshold:
        if not _options.edgeitems:
            return "[...]"
        tensor, elided = _edges(tensor)
    words, width = _words(tensor.reshape(-1).tolist(), tensor.dtype)
    return _brackets(words, tensor.shape, elided, width, indent)


# ---- the whole repr


def _is_told_by_the_values(dtype: _C.dtype) -> bool:
    """Whether ``tensor(...)`` of the printed values would have this dtype again."""
    default = _C.get_default_dtype()
    complex_default = _C.complex128 if default == _C.float64 else _C.complex64
    return dtype in (default, complex_default, _C.int64, _C.bool)


def _origin(tensor: _C.Tensor) -> str | None:
    """The suffix on autograd: the node that made the tensor, or that it is a leaf which wants a gradient."""
    try:
        node = tensor.grad_fn
    except RuntimeError:
        # A view made under no_grad and written in place has no history to show.
        return "grad_fn=<Invalid>"
    if node is not None:
        return f"grad_fn=<{node.name().rsplit('::', 1)[-1]}>"
    return "requires_grad=True" if tensor.requires_grad else None


def _suffixes(tensor: _C.Tensor, meta: bool) -> list[str]:
    suffixes = [] if tensor.device.type == "cpu" else [f"device='{tensor.device}'"]
    empty = not tensor.numel()
    if meta or (empty and tensor.dim() != 1) or not (empty or _options.edgeitems):
        suffixes.append(f"size={tuple(tensor.shape)}")
    # Where no value is shown, only the default dtype goes without saying.
    silent = tensor.dtype == _C.get_default_dtype() if meta or empty else _is_told_by_the_values(tensor.dtype)
    if not silent:
        suffixes.append(f"dtype={tensor.dtype}")
    origin = _origin(tensor)
    if origin is not None:
        suffixes.append(origin)
    return suffixes


def _joined(text: str, suffixes: list[str], indent: int) -> str:
    """Appends the suffixes, each on the last line if it fits there, else on a new one."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _is_plain(kind: type) -> bool:
    """Whether the class prints as ``tensor(...)``; other subclasses print under their own name."""
    if kind is _C.Tensor:
        return True
    from rustorch.nn.parameter import Parameter

    return kind is Parameter


def _str(tensor: _C.Tensor, *, tensor_contents: str | None = None) -> str:
    """``repr(tensor)``; a subclass may bring the text between the parentheses itself."""
    name = "tensor" if _is_plain(type(tensor)) else type(tensor).__name__
    indent = len(name) + 1
    meta = tensor.device.type == "meta"
    if tensor_contents is None:
        if meta:
            tensor_contents = "..."
        else:
            tensor_contents = _contents(tensor, indent) if tensor.numel() else "[]"
    return _joined(f"{name}({tensor_contents}", _suffixes(tensor, meta), indent)

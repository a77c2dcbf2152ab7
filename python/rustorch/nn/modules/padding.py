"""Padding layers: the modes of `rustorch.nn.functional.pad` by name and number of dimensions."""

from __future__ import annotations

from typing import Any

from rustorch._C import Tensor
from rustorch.nn import functional as F
from rustorch.nn.functional.pooling import spread
from rustorch.nn.modules.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """``padding`` is one number, or (before, after) for the last dimension, then for the one before it, and so on."""

    __constants__ = ["padding"]
    mode: str
    dims: int

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = spread(padding, 2 * self.dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        low = self.dims + 1
        if input.dim() not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")
        return F.pad(input, self.padding, self.mode)


class CircularPad1d(_CircularPad):
    """Continue (N, C, L) at its other end."""

    dims = 1


class CircularPad2d(_CircularPad):
    """Continue (N, C, H, W) at its other ends."""

    dims = 2


class CircularPad3d(_CircularPad):
    """Continue (N, C, D, H, W) at its other ends."""

    dims = 3


class _ConstantPad(_Pad):
    __constants__ = ["padding", "value"]
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Extend the last dimension with ``value``."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """Extend the last two dimensions with ``value``."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """Extend the last three dimensions with ``value``."""

    dims = 3


class ZeroPad1d(ConstantPad1d):
    """Extend the last dimension with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad2d(ConstantPad2d):
    """Extend the last two dimensions with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad3d(ConstantPad3d):
    """Extend the last three dimensions with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """Mirror (N, C, L) at its ends, without repeating the edge."""

    dims = 1


class ReflectionPad2d(_ReflectionPad):
    """Mirror (N, C, H, W) at its edges, without repeating them."""

    dims = 2


class ReflectionPad3d(_ReflectionPad):
    """Mirror (N, C, D, H, W) at its faces, without repeating them."""

    dims = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """Repeat the ends of (N, C, L)."""

    dims = 1


class ReplicationPad2d(_ReplicationPad):
    """Repeat the edges of (N, C, H, W)."""

    dims = 2


class ReplicationPad3d(_ReplicationPad):
    """Repeat the faces of (N, C, D, H, W)."""

    dims = 3

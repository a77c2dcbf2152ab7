"""Convolutions and transposed convolutions over one, two and three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.nn import functional as F
from rustorch.nn import init
from rustorch.nn.functional.pooling import spread
from rustorch.nn.modules.lazy import LazyModuleMixin
from rustorch.nn.modules.module import Module
from rustorch.nn.parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

IntOrInts = int | tuple[int, ...]

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _same_padding(kernel_size: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """What ``padding="same"`` adds before and after each dimension, the last first, as `F.pad` wants it."""
    widths: list[int] = []
    for size, step in zip(reversed(kernel_size), reversed(dilation), strict=True):
        total = step * (size - 1)
        widths += [total // 2, total - total // 2]
    return widths


class _ConvNd(Module):
    """What all convolutions have: their numbers, ``weight``, ``bias``, and how these are drawn."""

    __constants__ = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]
    dims: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'valid', 'same'}}")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of {'zeros', 'reflect', 'replicate', 'circular'}, but got "
                f"padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        if padding == "same":
            self._reversed_padding_repeated_twice = _same_padding(kernel_size, dilation)
        elif isinstance(padding, str):
            self._reversed_padding_repeated_twice = [0, 0] * len(kernel_size)
        else:
            self._reversed_padding_repeated_twice = [width for width in reversed(padding) for _ in range(2)]
        leading = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(rustorch.empty((*leading, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rustorch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias from the uniform distribution over ``±1 / sqrt(fan_in)``."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        words = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.padding):
            words.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.dilation):
            words.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            words.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            words.append(f"groups={self.groups}")
        if self.bias is None:
            words.append("bias=False")
        if self.padding_mode != "zeros":
            words.append(f"padding_mode={self.padding_mode}")
        return ", ".join(words)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Convolution(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts = 1,
        padding: str | IntOrInts = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dims = self.dims
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size, dims),
            spread(stride, dims),
            padding if isinstance(padding, str) else spread(padding, dims),
            spread(dilation, dims),
            False,
            (0,) * dims,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolution = _CONVOLUTIONS[self.dims]
        if self.padding_mode == "zeros":
            return convolution(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return convolution(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        # Straight from the register: the way through __getattr__ is slow.
        own = self._parameters
        if "weight" in own and "bias" in own:
            return self._conv_forward(input, own["weight"], own["bias"])  # type: ignore[arg-type]
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Convolution):
    """Cross-correlation of (N, C_in, L) or (C_in, L) with ``weight`` (C_out, C_in / groups, k)."""

    dims = 1


class Conv2d(_Convolution):
    """Cross-correlation of (N, C_in, H, W) or (C_in, H, W) with ``weight`` (C_out, C_in / groups, kh, kw).

    The result has ``(H + 2 padding - dilation (kh - 1) - 1) // stride + 1`` rows, and columns likewise. ``padding`` is
    a number, a pair, ``"same"`` or ``"valid"``; ``padding_mode`` is ``zeros``, ``reflect``, ``replicate`` or
    ``circular``.

    >>> import rustorch as torch
    >>> torch.nn.Conv2d(1, 6, 3)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 6, 6, 6])
    """

    dims = 2


class Conv3d(_Convolution):
    """Cross-correlation of (N, C_in, D, H, W) or (C_in, D, H, W) with ``weight`` (C_out, C_in / groups, kd, kh, kw)."""

    dims = 3


class _TransposedConvolution(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts = 1,
        padding: IntOrInts = 0,
        output_padding: IntOrInts = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrInts = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dims = self.dims
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size, dims),
            spread(stride, dims),
            spread(padding, dims),
            spread(dilation, dims),
            True,
            spread(output_padding, dims),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _chosen_output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output padding that gives ``output_size``, which is the spatial size or the whole shape."""
        if output_size is None:
            return self.output_padding
        dims = self.dims
        leading = input.dim() - dims
        sizes = list(output_size)
        if len(sizes) == leading + dims:
            sizes = sizes[leading:]
        if len(sizes) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.dim()}D input, output_size must have {dims} or {leading + dims} "
                f"elements (got {len(sizes)})"
            )
        smallest = [
            (input.size(d + leading) - 1) * self.stride[d]
            - 2 * int(self.padding[d])
            + self.dilation[d] * (self.kernel_size[d] - 1)
            + 1
            for d in range(dims)
        ]
        largest = [low + step - 1 for low, step in zip(smallest, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, sizes, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {smallest} to {largest} (for an "
                f"input of {input.size()[2:]})"
            )
        return tuple(size - low for size, low in zip(sizes, smallest, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        output_padding = self._chosen_output_padding(input, output_size)
        convolution = _TRANSPOSED[self.dims]
        return convolution(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )


class ConvTranspose1d(_TransposedConvolution):
    """The gradient of `Conv1d` as a layer: (N, C_in, L) with ``weight`` (C_in, C_out / groups, k)."""

    dims = 1


class ConvTranspose2d(_TransposedConvolution):
    """The gradient of `Conv2d` as a layer: (N, C_in, H, W) with ``weight`` (C_in, C_out / groups, kh, kw).

    ``output_size`` in the call chooses among the sizes that a stride leaves open.
    """

    dims = 2


class ConvTranspose3d(_TransposedConvolution):
    """The gradient of `Conv3d` as a layer: (N, C_in, D, H, W) with ``weight`` (C_in, C_out / groups, kd, kh, kw)."""

    dims = 3


class _LazyConvolution(LazyModuleMixin):
    """A convolution that takes ``in_channels`` from its first input."""

    weight: Any
    bias: Any

    def __init__(self, out_channels: int, kernel_size: IntOrInts, *args: Any, **kwargs: Any) -> None:
        names = self._names
        settings = {**dict(zip(names, args, strict=False)), **kwargs}
        bias, device, dtype = settings.pop("bias", True), settings.pop("device", None), settings.pop("dtype", None)
        super().__init__(0, 0, kernel_size, bias=False, device=device, dtype=dtype, **settings)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    _names: tuple[str, ...] = ("stride", "padding", "dilation", "groups", "bias", "padding_mode", "device", "dtype")

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take ``in_channels`` from ``input`` and draw the parameters."""
        if not self.has_uninitialized_params():
            return
        spatial = self.dims  # type: ignore[attr-defined]
        if input.dim() not in (spatial + 1, spatial + 2):
            raise RuntimeError(
                f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to {type(self).__name__}, but "
                f"got input of size: {input.shape}"
            )
        self.in_channels = input.shape[input.dim() - spatial - 1]
        if self.in_channels % self.groups:  # type: ignore[attr-defined]
            raise ValueError("in_channels must be divisible by groups")
        leading = (self.out_channels, self.in_channels // self.groups)  # type: ignore[attr-defined]
        if self.transposed:  # type: ignore[attr-defined]
            leading = (self.in_channels, self.out_channels // self.groups)  # type: ignore[attr-defined]
        self.weight.materialize((*leading, *self.kernel_size))  # type: ignore[attr-defined]
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyTransposed(_LazyConvolution):
    _names = ("stride", "padding", "output_padding", "groups", "bias", "dilation", "padding_mode", "device", "dtype")


class LazyConv1d(_LazyConvolution, Conv1d):
    """`Conv1d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """`Conv2d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """`Conv3d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """`ConvTranspose1d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """`ConvTranspose2d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """`ConvTranspose3d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose3d

"""Pooling. Inputs are (N, C, *spatial) or, without a batch, (C, *spatial)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.native import native

IntOrInts = int | Sequence[int]

avg_pool1d = native("avg_pool1d")
avg_pool2d = native("avg_pool2d")
avg_pool3d = native("avg_pool3d")
_max_pool = {1: native("max_pool1d"), 2: native("max_pool2d"), 3: native("max_pool3d")}
_max_pool_with_indices = {
    1: native("max_pool1d_with_indices"),
    2: native("max_pool2d_with_indices"),
    3: native("max_pool3d_with_indices"),
}
_max_unpool = {2: native("max_unpool2d"), 3: native("max_unpool3d")}


def spread(value: Any, dims: int) -> tuple[Any, ...]:
    """``value`` for each of ``dims`` dimensions: itself when it is a sequence, repeated when it is a number."""
    return tuple(value) if isinstance(value, Sequence) else (value,) * dims


def max_pool1d(
    input: Tensor,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, L); with ``return_indices`` also where it was."""
    pool = _max_pool_with_indices[1] if return_indices else _max_pool[1]
    return pool(input, kernel_size, [] if stride is None else stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, H, W); with ``return_indices`` also where it was.

    >>> import rustorch as torch
    >>> torch.nn.functional.max_pool2d(torch.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[3.]]])
    """
    pool = _max_pool_with_indices[2] if return_indices else _max_pool[2]
    return pool(input, kernel_size, [] if stride is None else stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of (N, C, D, H, W); with ``return_indices`` also where it was."""
    pool = _max_pool_with_indices[3] if return_indices else _max_pool[3]
    return pool(input, kernel_size, [] if stride is None else stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with ``return_indices=True``."""
    return max_pool1d(*args, **{**kwargs, "return_indices": True})


def max_pool2d_with_indices(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with ``return_indices=True``."""
    return max_pool2d(*args, **{**kwargs, "return_indices": True})


def max_pool3d_with_indices(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with ``return_indices=True``."""
    return max_pool3d(*args, **{**kwargs, "return_indices": True})


# -- adaptive --------------------------------------------------------------------------------------------------------


def _adaptive_size(input: Tensor, output_size: Any) -> Any:
    """The wanted sizes, None standing for the input's own."""
    if isinstance(output_size, int):
        return output_size
    if input.dim() <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    own = input.shape[-len(output_size) :]
    return [kept if size is None else size for size, kept in zip(output_size, own, strict=True)]


adaptive_avg_pool1d = native("adaptive_avg_pool1d")
_adaptive_average = {2: native("adaptive_avg_pool2d"), 3: native("adaptive_avg_pool3d")}


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of windows: (N, C, H, W) to (N, C, *output_size); None keeps a size.

    >>> import rustorch as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.arange(4.0).reshape(1, 2, 2), 1)
    tensor([[[1.5000]]])
    """
    return _adaptive_average[2](input, _adaptive_size(input, output_size))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of windows: (N, C, D, H, W) to (N, C, *output_size); None keeps a size."""
    return _adaptive_average[3](input, _adaptive_size(input, output_size))


_native_adaptive_max = {
    1: native("adaptive_max_pool1d"),
    2: native("adaptive_max_pool2d"),
    3: native("adaptive_max_pool3d"),
}


def _adaptive_max(input: Tensor, output_size: Any, return_indices: bool, dims: int) -> Any:
    sizes = output_size if dims == 1 else _adaptive_size(input, output_size)
    values, indices = _native_adaptive_max[dims](input, sizes)
    return (values, indices) if return_indices else values


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest values of ``output_size`` windows of (N, C, L)."""
    return _adaptive_max(input, output_size, return_indices, 1)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest values of a grid of windows of (N, C, H, W)."""
    return _adaptive_max(input, output_size, return_indices, 2)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest values of a grid of windows of (N, C, D, H, W)."""
    return _adaptive_max(input, output_size, return_indices, 3)


# -- power averages and the inverse of max pooling -------------------------------------------------------------------


def _power_average(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool, dims: int
) -> Tensor:
    max_pool = (max_pool1d, max_pool2d, max_pool3d)[dims - 1]
    if norm_type == float("inf"):
        return max_pool(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -float("inf"):
        return -max_pool(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    average = (avg_pool1d, avg_pool2d, avg_pool3d)[dims - 1]
    mean = average(input.pow(norm_type), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    count = 1
    for size in spread(kernel_size, dims):
        count *= size
    # The root of a negative mean (odd powers) is NaN, the gradient at zero is zero.
    return (rustorch.sign(mean) * rustorch.relu(rustorch.abs(mean))).mul(count).pow(1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norm of each window of (N, C, L)."""
    return _power_average(input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norm of each window of (N, C, H, W)."""
    return _power_average(input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norm of each window of (N, C, D, H, W)."""
    return _power_average(input, norm_type, kernel_size, stride, ceil_mode, 3)


def _unpooled_size(input: Tensor, kernel: Any, stride: Any, padding: Any, output_size: Any) -> list[int]:
    dims = len(kernel)
    default = [(input.size(d - dims) - 1) * stride[d] + kernel[d] - 2 * padding[d] for d in range(dims)]
    if output_size is None:
        sizes = default
    else:
        sizes = list(output_size)
        if len(sizes) == dims + 2:
            sizes = sizes[2:]
        if len(sizes) != dims:
            raise ValueError(
                f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a length of "
                f"'{len(sizes)}'"
            )
        for d in range(dims):
            low, high = default[d] - stride[d], default[d] + stride[d]
            if not low < sizes[d] < high:
                raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})')
    for d, size in enumerate(sizes):
        if size < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{d}]={size}"
            )
    return sizes


def _unpool(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any, dims: int
) -> Tensor:
    kernel, padding = spread(kernel_size, dims), spread(padding, dims)
    stride = kernel if stride is None else spread(stride, dims)
    sizes = _unpooled_size(input, kernel, stride, padding, output_size)
    if dims == 1:
        return _max_unpool[2](input.unsqueeze(-1), indices.unsqueeze(-1), [*sizes, 1]).squeeze(-1)
    if dims == 2:
        return _max_unpool[2](input, indices, sizes)
    return _max_unpool[3](input, indices, sizes, stride, padding)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The inverse of `max_pool1d`: maxima at their places, zeros elsewhere."""
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The inverse of `max_pool2d`: maxima at their places, zeros elsewhere."""
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The inverse of `max_pool3d`: maxima at their places, zeros elsewhere."""
    return _unpool(input, indices, kernel_size, stride, padding, output_size, 3)

"""Functions of images: resampling, shuffles between channels and space, sliding blocks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from rustorch._C import Tensor
from rustorch.nn.functional.native import native, prefer_native
from rustorch.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, spread

_im2col, _col2im = native("im2col"), native("col2im")
_resamplers = {
    (3, "nearest"): native("upsample_nearest1d"),
    (4, "nearest"): native("upsample_nearest2d"),
    (5, "nearest"): native("upsample_nearest3d"),
    (3, "nearest-exact"): native("_upsample_nearest_exact1d"),
    (4, "nearest-exact"): native("_upsample_nearest_exact2d"),
    (5, "nearest-exact"): native("_upsample_nearest_exact3d"),
}
_smooth_resamplers = {
    (3, "linear"): native("upsample_linear1d"),
    (4, "bilinear"): native("upsample_bilinear2d"),
    (5, "trilinear"): native("upsample_trilinear3d"),
    (4, "bicubic"): native("upsample_bicubic2d"),
}
_antialiased_resamplers = {"bilinear": native("_upsample_bilinear2d_aa"), "bicubic": native("_upsample_bicubic2d_aa")}
_DIMS_OF_MODE = {"linear": 3, "bilinear": 4, "trilinear": 5}


def _target_sizes(input: Tensor, size: Any, scale_factor: Any) -> tuple[list[int] | None, list[float] | None]:
    dims = input.dim() - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given, name = (size, "output size") if size is not None else (scale_factor, "scale_factor")
    values = list(spread(given, dims))
    if len(values) != dims:
        what = f"output size of {given}" if size is not None else f"scale_factor of shape {given}"
        form = "output size in (o1, o2, ...,oK)" if size is not None else "scale_factor in (s1, s2, ...,sK)"
        both = "output" if size is not None else "scale_factor"
        raise ValueError(
            f"Input and {both} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and {what}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            f"{form} format."
        )
    if name == "output size" and not all(isinstance(value, int) for value in values):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
            f"with types {[type(value) for value in values]}"
        )
    return (values, None) if size is not None else (None, values)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample the spatial dimensions of (N, C, ...) to ``size`` or by ``scale_factor``."""
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    elif align_corners is None:
        align_corners = False
    sizes, scales = _target_sizes(input, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if scales is not None and (recompute_scale_factor or mode == "area"):
        sizes = [math.floor(length * scale) for length, scale in zip(input.shape[2:], scales, strict=True)]
        scales = None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    kind = (input.dim(), mode)
    if kind in _resamplers:
        return _resamplers[kind](input, sizes, scales)
    if mode == "area" and 3 <= input.dim() <= 5:
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[input.dim() - 3](input, sizes)
    if antialias and mode in _antialiased_resamplers:
        return _antialiased_resamplers[mode](input, sizes, align_corners, scales)
    if kind in _smooth_resamplers:
        return _smooth_resamplers[kind](input, sizes, align_corners, scales)
    if mode in _DIMS_OF_MODE and 3 <= input.dim() <= 5:
        raise NotImplementedError(f"Got {input.dim()}D input, but {mode} mode needs {_DIMS_OF_MODE[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for the modes: nearest | "
        f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """The old name of `interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with ``mode="nearest"``."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with ``mode="bilinear"`` and ``align_corners=True``."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


_grid_sampler, _affine_grid = native("grid_sampler"), native("affine_grid_generator")
_ALIGN_CORNERS_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """Values of (N, C, H, W) at the places that ``grid`` (N, Ho, Wo, 2) names in [-1, 1]."""
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    if mode not in modes:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in paddings:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_ALIGN_CORNERS_CHANGED, stacklevel=2)
    return _grid_sampler(input, grid, modes.index(mode), paddings.index(padding_mode), bool(align_corners))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of affine maps ``theta`` (N, 2, 3) or (N, 3, 4)."""
    if align_corners is None:
        warnings.warn(_ALIGN_CORNERS_CHANGED, stacklevel=2)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    return _affine_grid(theta, list(size), bool(align_corners))


@prefer_native
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels into space: (*, C r^2, H, W) to (*, C, H r, W r)."""
    if input.dim() < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)"
        )
    if upscale_factor <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {upscale_factor}")
    *batch, channels, height, width = input.shape
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    split = input.reshape([*batch, channels // (r * r), r, r, height, width])
    n = len(batch)
    moved = split.permute([*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return moved.reshape([*batch, channels // (r * r), height * r, width * r])


@prefer_native
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Space into channels: (*, C, H r, W r) to (*, C r^2, H, W)."""
    if input.dim() < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.dim()} "
            "dimension(s)"
        )
    if downscale_factor <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {downscale_factor}")
    *batch, channels, height, width = input.shape
    r = downscale_factor
    for name, dim, length in (("height", -2, height), ("width", -1, width)):
        if length % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({dim})={length} "
                f"is not divisible by {r}"
            )
    split = input.reshape([*batch, channels, height // r, r, width // r, r])
    n = len(batch)
    moved = split.permute([*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return moved.reshape([*batch, channels * r * r, height // r, width // r])


@prefer_native
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave ``groups`` groups of channels of (N, C, ...)."""
    if input.dim() <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    channels = input.size(1)
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = input.reshape([input.size(0), groups, channels // groups, *input.shape[2:]])
    return split.transpose(1, 2).reshape(input.shape)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Sliding blocks of (N, C, H, W) as columns: (N, C * kh * kw, blocks)."""
    return _im2col(input, spread(kernel_size, 2), spread(dilation, 2), spread(padding, 2), spread(stride, 2))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The sum of columns (N, C * kh * kw, blocks) put back as blocks: (N, C, *output_size)."""
    sizes = (spread(value, 2) for value in (output_size, kernel_size, dilation, padding, stride))
    return _col2im(input, *sizes)

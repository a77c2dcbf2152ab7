"""Normalisations, composed of reductions and elementwise operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.distance import vector_norm
from rustorch.nn.functional.native import is_native, native


def _verify_batch_size(size: Sequence[int]) -> None:
    count = 1
    for position, length in enumerate(size):
        if position != 1:
            count *= length
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def _verify_spatial_size(size: Sequence[int]) -> None:
    count = 1
    for length in size[2:]:
        count *= length
    if count == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {size}")


def _check_channels(names: dict[str, Tensor | None], channels: int) -> None:
    for name, tensor in names.items():
        if tensor is not None and tensor.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {tensor.numel()}")


def _by_channel(vector: Tensor, ndim: int) -> Tensor:
    """A vector of channels, shaped to broadcast over (N, C, ...)."""
    return vector.reshape([1, -1, *[1] * (ndim - 2)])


def _standardized(input: Tensor, dims: list[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """``input`` with mean 0 and variance 1 over ``dims``; the mean and the (biased) variance that were removed."""
    mean = input.mean(dims, keepdim=True)
    centered = input - mean
    variance = (centered * centered).mean(dims, keepdim=True)
    return centered * (variance + eps).rsqrt(), mean, variance


def _batch_norm_training(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float, eps: float
) -> Tensor:
    dims = [position for position in range(input.dim()) if position != 1]
    if input.numel() == 0:
        return input.clone()
    normalized, mean, variance = _standardized(input, dims, eps)
    with rustorch.no_grad():
        count = input.numel() // input.size(1)
        if running_mean is not None:
            running_mean.mul_(1 - momentum).add_(mean.detach().reshape([-1]).to(running_mean.dtype), alpha=momentum)
        if running_var is not None:
            unbiased = variance.detach().reshape(-1).to(running_var.dtype) * (count / max(count - 1, 1))
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    return normalized


def _batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    names = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    _check_channels(names, input.size(1))
    if training:
        normalized = _batch_norm_training(input, running_mean, running_var, momentum, eps)
    elif running_mean is None or running_var is None:
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    else:
        scale = _by_channel((running_var + eps).rsqrt(), input.dim())
        normalized = (input - _by_channel(running_mean, input.dim())) * scale
    return _affine(normalized, weight, bias).to(input.dtype)


def _affine(normalized: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        normalized = normalized * _by_channel(weight, normalized.dim())
    if bias is not None:
        normalized = normalized + _by_channel(bias, normalized.dim())
    return normalized


_native_batch_norm = native("batch_norm") if is_native("batch_norm") else None


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of (N, C, ...) over the batch in training, with the running statistics in evaluation.

    In training the running statistics move towards the batch's by ``momentum``.
    """
    if training:
        _verify_batch_size(input.size())
    if _native_batch_norm is not None:
        return _native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of (N, C, ...) over its spatial dimensions."""
    if use_input_stats:
        _verify_spatial_size(input.size())
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    else:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = list(range(2, input.dim()))
    normalized, mean, variance = _standardized(input, dims, eps)
    with rustorch.no_grad():
        count = input[0, 0].numel()
        if running_mean is not None:
            average = mean.detach().reshape((input.size(0), -1)).mean(0).to(running_mean.dtype)
            running_mean.mul_(1 - momentum).add_(average, alpha=momentum)
        if running_var is not None:
            unbiased = variance.detach().reshape((input.size(0), -1)).mean(0).to(running_var.dtype) * (
                count / max(count - 1, 1)
            )
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    return _affine(normalized, weight, bias).to(input.dtype)


def _check_normalized_shape(input: Tensor, shape: Sequence[int], names: dict[str, Tensor | None]) -> None:
    if not len(shape):
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            f"normalized_shape = {list(shape)}"
        )
    for name, tensor in names.items():
        if tensor is not None and tuple(tensor.shape) != tuple(shape):
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(tensor.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[-len(shape) :]) != tuple(shape):
        sizes = ", ".join(str(size) for size in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {sizes}], but got input of size"
            f"{list(input.shape)}"
        )


def _layer_norm(input: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    _check_normalized_shape(input, shape, {"weight": weight, "bias": bias})
    normalized, _, _ = _standardized(input, list(range(-len(shape), 0)), eps)
    if weight is not None:
        normalized = normalized * weight
    return normalized if bias is None else normalized + bias


_native_layer_norm = native("layer_norm") if is_native("layer_norm") else None


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions, whose sizes are ``normalized_shape``."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
    if _native_layer_norm is not None:
        return _native_layer_norm(input, shape, weight, bias, eps, False)
    return _layer_norm(input, shape, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root mean square over the last dimensions, whose sizes are ``normalized_shape``."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
    _check_normalized_shape(input, shape, {"weight": weight})
    eps = rustorch.finfo(input.dtype).eps if eps is None else eps
    dims = list(range(-len(shape), 0))
    normalized = input * ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    return normalized if weight is None else normalized * weight


_native_group_norm = native("group_norm") if is_native("group_norm") else None


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise each of ``num_groups`` groups of channels of each sample of (N, C, ...)."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    channels = input.size(1)
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    _verify_batch_size([input.size(0) * channels // num_groups, num_groups, *input.shape[2:]])
    if _native_group_norm is not None:
        return _native_group_norm(input, num_groups, weight, bias, eps, False)
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tuple(tensor.shape) != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(tensor.shape)} and input of shape {list(input.shape)}"
            )
    grouped = input.reshape((input.size(0), num_groups, -1))
    normalized, _, _ = _standardized(grouped, [-1], eps)
    return _affine(normalized.reshape(input.shape), weight, bias)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide each element by a power of the mean square over ``size`` neighbouring channels of (N, C, ...)."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input)
    channels, before = input.size(1), size // 2
    padding = [input.size(0), 0, *input.shape[2:]]
    padding[1] = before
    left = input.new_zeros(padding)
    padding[1] = size - 1 - before
    padded = rustorch.cat([left, squares, input.new_zeros(padding)], 1)
    sums = padded.narrow(1, 0, channels)
    for offset in range(1, size):
        sums = sums + padded.narrow(1, offset, channels)
    return input / (sums / size).mul(alpha).add(k).pow(beta)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """``input`` divided by its ``p``-norm along ``dim``, or by ``eps`` where that is larger."""
    denominator = vector_norm(input, p, dim, True).clamp_min(eps).expand_as(input)
    return input / denominator if out is None else rustorch.div(input, denominator, out=out)


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]

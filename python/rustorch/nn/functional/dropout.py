"""Dropout in its forms. ``p`` is the probability of zeroing; what is left is scaled so that the expectation stays."""

from __future__ import annotations

import warnings

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.native import native, rewrite

_dropout = native("dropout")

_ALPHA = 1.7580993408473766  # the limit of -SELU at minus infinity: scale * alpha


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by ``1 - p``; the identity unless ``training``."""
    _check_probability(p)
    result = _dropout(input, p, training)
    return rewrite(input, result) if inplace and training else result


def _channel_noise(input: Tensor) -> Tensor:
    """An uninitialised tensor with one element for each channel of each sample, to broadcast over ``input``."""
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return input.new_empty([size if position < 2 else 1 for position, size in enumerate(input.shape)])


def _masked(input: Tensor, p: float, training: bool, inplace: bool, whole_channels: bool, alpha: bool) -> Tensor:
    """The forms of dropout that the native operation does not know."""
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        result = input * 0
        return rewrite(input, result) if inplace else result
    noise = (_channel_noise(input) if whole_channels else rustorch.empty_like(input)).bernoulli_(1 - p)
    if alpha:
        # Dropped elements take SELU's negative limit; scale and shift restore mean 0 and variance 1.
        a = 1 / ((_ALPHA * _ALPHA * p + 1) * (1 - p)) ** 0.5
        result = input * (noise * a) + ((noise - 1) * (_ALPHA * a) + _ALPHA * a * p)
    else:
        result = input * noise.div_(1 - p)
    return rewrite(input, result) if inplace else result


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for use with SELU."""
    _check_probability(p)
    return _masked(input, p, training, inplace, whole_channels=False, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check_probability(p)
    return _masked(input, p, training, inplace, whole_channels=True, alpha=True)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    batched = input if input.dim() == 3 else input.unsqueeze(0)
    result = _masked(batched, p, training, inplace, whole_channels=True, alpha=False)
    return result if input.dim() == 3 else input if inplace else result.squeeze(0)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W); a three-dimensional input is read as (N, C, L)."""
    _check_probability(p)
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and will result in an "
            "error in a future release. To retain the behavior and silence this warning, please use dropout instead. "
            "Note that dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a "
            "channel dimension, and an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will "
            "change in a future release to interpret the input as one without a batch dimension, i.e. shape (C, H, "
            "W). To maintain the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _masked(input, p, training, inplace, whole_channels=True, alpha=False)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check_probability(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated and will result in an "
            "error in a future release. To retain the behavior and silence this warning, please use dropout instead. "
            "Note that dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a "
            "channel dimension, and an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    batched = input if input.dim() == 5 else input.unsqueeze(0)
    result = _masked(batched, p, training, inplace, whole_channels=True, alpha=False)
    return result if input.dim() == 5 else input if inplace else result.squeeze(0)

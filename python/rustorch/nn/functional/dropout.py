"""Dropout in its forms. ``p`` is the probability of zeroing; what is left is scaled so that the expectation stays."""

from __future__ import annotations

import warnings

from rustorch._C import Tensor
from rustorch.nn.functional.native import native

_dropout, _dropout_ = native("dropout"), native("dropout_")
_feature_dropout, _feature_dropout_ = native("feature_dropout"), native("feature_dropout_")
_alpha_dropout, _alpha_dropout_ = native("alpha_dropout"), native("alpha_dropout_")
_feature_alpha_dropout, _feature_alpha_dropout_ = native("feature_alpha_dropout"), native("feature_alpha_dropout_")


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by ``1 - p``; the identity unless ``training``."""
    _check_probability(p)
    return _dropout_(input, p, training) if inplace else _dropout(input, p, training)


def _whole_channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    return _feature_dropout_(input, p, training) if inplace else _feature_dropout(input, p, training)


def _without_batch(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Whole channels of one sample; a view of the input lends it a batch, so that writes in place reach it."""
    result = _whole_channels(input.unsqueeze(0), p, training, inplace)
    return input if inplace else result.squeeze(0)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for use with SELU."""
    _check_probability(p)
    return _alpha_dropout_(input, p, training) if inplace else _alpha_dropout(input, p, training)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check_probability(p)
    drop = _feature_alpha_dropout_ if inplace else _feature_alpha_dropout
    return drop(input, p, training)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    drop = _whole_channels if input.dim() == 3 else _without_batch
    return drop(input, p, training, inplace)


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
    return _whole_channels(input, p, training, inplace)


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
    drop = _whole_channels if input.dim() == 5 else _without_batch
    return drop(input, p, training, inplace)

"""Helpers around modules: gradient clipping and parameters as one vector."""

from rustorch.nn.not_built import not_built
from rustorch.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from rustorch.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]

__getattr__ = not_built(
    __name__,
    [
        "convert_conv2d_weight_memory_format",
        "convert_conv3d_weight_memory_format",
        "fuse_conv_bn_eval",
        "fuse_conv_bn_weights",
        "fuse_linear_bn_eval",
        "fuse_linear_bn_weights",
        "parametrizations",
        "parametrize",
        "prune",
        "remove_spectral_norm",
        "remove_weight_norm",
        "rnn",
        "skip_init",
        "spectral_norm",
        "stateless",
        "weight_norm",
    ],
)

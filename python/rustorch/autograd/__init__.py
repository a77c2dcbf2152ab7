"""Differentiation: running graphs back, functions with a backward of their own, checks of gradients.

Example::

    >>> import rustorch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> (slope,) = torch.autograd.grad(x**2, x, create_graph=True)
    >>> torch.autograd.grad(slope, x)
    (tensor(2.),)
"""

import importlib
from typing import Any

from rustorch.autograd.differentiate import backward, grad
from rustorch.autograd.function import Function, NestedIOFunction, once_differentiable
from rustorch.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rustorch.autograd.gradcheck import gradcheck, gradgradcheck
from rustorch.autograd.variable import Variable

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "backward",
    "enable_grad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    if name == "functional":
        return importlib.import_module("rustorch.autograd.functional")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

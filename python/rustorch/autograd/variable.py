"""``Variable``: the old name for a tensor that takes part in differentiation."""

import warnings
from typing import Any

from rustorch._C import Tensor

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every tensor is a Variable, and calling the class gives a tensor."""

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)

    def __call__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        if volatile and requires_grad:
            raise ValueError("Variable can't be volatile and require_grad at the same time!")
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2
            )
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


class Variable(metaclass=_VariableMeta):
    """Makes a leaf of a tensor, on the same elements.

    Example::

        >>> import rustorch as torch
        >>> from rustorch.autograd import Variable
        >>> x = Variable(torch.ones(1) * 10, requires_grad=True)
        >>> (3 * x).backward()
        >>> x.grad
        tensor([3.])
    """

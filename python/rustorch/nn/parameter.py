"""Parameters and buffers: the tensors that modules register on assignment."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

import rustorch
from rustorch._C import Tensor, _disabled_torch_function_impl

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """Lets tensors of a user's own subclass that were made parameters (``_is_param``) count as `Parameter`."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module takes among its parameters when it is assigned as an attribute.

    ``data`` (any shape; an empty tensor when left out) is shared, not copied; the parameter is a leaf that asks for
    gradients unless ``requires_grad=False``.

    >>> import rustorch as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = rustorch.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return Tensor._make_subclass(cls, data, requires_grad)
        # A user's subclass keeps its class and is marked instead.
        marked: Any = data.detach().requires_grad_(requires_grad)
        if type(marked) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(marked).__name__} was found instead. To use the "
                "type as a Parameter, please correct the detach() semantics defined by its __torch_dispatch__() "
                "implementation."
            )
        marked._is_param = True  # type: ignore[attr-defined]
        return marked  # type: ignore[return-value]

    # What is computed from a parameter is a plain tensor.
    __torch_function__: Any = _disabled_torch_function_impl

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known = memo.get(id(self))
        if known is None:
            known = type(self)(self.data.clone(memory_format=rustorch.preserve_format), self.requires_grad)
            memo[id(self)] = known
        return known

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: OrderedDict[int, Any]) -> Parameter:
    """Make a pickled parameter again; its hooks, which pickle cannot carry, are expected to be empty."""
    return Parameter(data, requires_grad)


class _UninitializedMixin:
    """A tensor whose shape is not known until the first batch: every use but `materialize` is refused by name."""

    cls_to_become: type[Tensor]
    data: Any
    requires_grad: Any

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give the tensor its ``shape`` (uninitialised values) and its final class."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = rustorch.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def shape(self) -> NoReturn:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> NoReturn:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad,)


def is_lazy(parameter: object) -> bool:
    """Whether ``parameter`` still waits for its shape."""
    return isinstance(parameter, _UninitializedMixin)


class UninitializedParameter(_UninitializedMixin, Parameter):  # type: ignore[misc]
    """A `Parameter` without a shape, as lazy layers hold before their first call; ``materialize(shape)`` gives it
    one."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return Tensor._make_subclass(cls, rustorch.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        known = memo.get(id(self))
        if known is None:
            known = memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return known


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    """`Buffer` is a mark on a plain tensor, not a class of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a module takes among its buffers when it is assigned as an attribute.

    ``persistent=False`` leaves it out of the state dict.

    >>> import rustorch as torch
    >>> module = torch.nn.Module()
    >>> module.scale = torch.nn.Buffer(torch.ones(1))
    >>> list(module.state_dict())
    ['scale']
    """

    persistent: bool
    _is_buffer: bool
    __torch_function__: Any = _disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = rustorch.empty(0)
        marked: Any = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        return marked  # type: ignore[return-value]


class UninitializedBuffer(_UninitializedMixin, Tensor):  # type: ignore[misc]
    """A buffer without a shape; ``materialize(shape)`` gives it one."""

    cls_to_become = Tensor
    persistent: bool
    _is_buffer: bool

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        made = Tensor._make_subclass(cls, rustorch.empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        known = memo.get(id(self))
        if known is None:
            known = memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype, self.persistent)
        return known

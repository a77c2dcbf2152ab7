"""``Function``: an operation whose forward and backward are written in Python."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from rustorch import _C
from rustorch._C import Tensor

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "FunctionMeta", "NestedIOFunction", "once_differentiable"]


class FunctionCtx:
    """What one call of a :class:`Function` hands from its forward to its backward; any attribute may be set on it.

    ``needs_input_grad`` says for each argument of forward whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._to_save: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True
        # The graph's node, there while backward runs. It holds this object, so keeping it would keep both for ever.
        self._node: Any = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for backward, where ``saved_tensors`` gives them back.

        Only inputs and outputs are kept without a cycle; a tensor that is written afterwards is refused in backward.
        """
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for ``jvp``, which nothing calls yet."""
        for tensor in tensors:
            if not (isinstance(tensor, Tensor) or tensor is None):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Names the inputs that forward wrote in place; each must be among its outputs."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Names the outputs that do not depend differentiably on the inputs."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True) or None for outputs that received no gradient."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept."""
        return self._to_save if self._node is None else self._node.saved_tensors


class BackwardCFunction(FunctionCtx):
    """The context of a particular :class:`Function`, which the graph calls."""

    _forward_cls: type["Function"]
    #: Shape, dtype and device of every output (None for one that is no tensor), and of every input.
    _output_kinds: list[Any]
    _input_kinds: list[Any]

    def _run_backward(self, node: Any, cotangents: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        """Called by the graph's ``node``: from the gradients of the tensor outputs to those of all arguments.

        There may be fewer gradients than outputs: the last ones that are missing were not differentiated.
        """
        function = self._forward_cls._backward_of_user()
        remaining = iter(cotangents)
        given = [
            None if kind is None else self._materialized(next(remaining, None), kind) for kind in self._output_kinds
        ]
        self._node = node
        try:
            gradients = function(self, *given)
        finally:
            self._node = None
        return self._checked(gradients if isinstance(gradients, tuple) else (gradients,))

    def _materialized(self, cotangent: Tensor | None, kind: Any) -> Tensor | None:
        if cotangent is None and self._materialize:
            shape, dtype, device = kind
            return _C.zeros(shape, dtype=dtype, device=device)
        return cotangent

    def _checked(self, gradients: tuple[Any, ...]) -> tuple[Tensor | None, ...]:
        """As many gradients as forward had arguments, each fit for its own."""
        name = type(self).__name__
        expected = len(self._input_kinds)
        if len(gradients) > expected and all(gradient is None for gradient in gradients[expected:]):
            gradients = gradients[:expected]
        if len(gradients) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {expected}, got {len(gradients)})"
            )
        return tuple(
            self._checked_one(position, gradient, kind)
            for position, (gradient, kind) in enumerate(zip(gradients, self._input_kinds, strict=True))
        )

    def _checked_one(self, position: int, gradient: Any, kind: Any) -> Tensor | None:
        name = type(self).__name__
        if gradient is None:
            return None
        if kind is None:
            raise RuntimeError(
                f"function {name} returned a gradient different than None at position {position + 1}, "
                "but the corresponding forward input was not a Variable"
            )
        if not isinstance(gradient, Tensor):
            raise TypeError(f"expected Variable or None (got {type(gradient).__name__})")
        shape, dtype, _ = kind
        if gradient.shape != shape:
            if not _expands(shape, gradient.shape):
                raise RuntimeError(
                    f"Function {name} returned an invalid gradient at index {position} - got {list(gradient.shape)} "
                    f"but expected shape compatible with {list(shape)}"
                )
            gradient = gradient.sum_to_size(shape)
        return gradient if gradient.dtype == dtype else gradient.to(dtype)


def _expands(shape: Any, to: Any) -> bool:
    """Whether a tensor of ``shape`` broadcasts to the other shape."""
    tail = to[len(to) - len(shape) :] if len(shape) else ()
    return len(shape) <= len(to) and all(size in (1, wide) for size, wide in zip(shape, tail, strict=True))


class FunctionMeta(type):
    """Gives every :class:`Function` the class of its contexts, which is the name that ``grad_fn`` shows."""

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        cls._backward_cls = type(f"{name}Backward", (BackwardCFunction,), {"_forward_cls": cls})
        super().__init__(name, bases, attrs)


def _in_order(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Puts keyword arguments in the places where forward, after its context, has them."""
    code = forward.__code__
    names = code.co_varnames[1 : code.co_argcount]
    for name in kwargs:
        if name not in names:
            raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
        if name in names[: len(args)]:
            raise TypeError(f"forward() got multiple values for argument '{name}'")
    ordered = list(args)
    for position in range(len(args), len(args) + len(kwargs)):
        if names[position] not in kwargs:
            raise TypeError(f"forward() missing required argument: '{names[position]}' (position {position})")
        ordered.append(kwargs[names[position]])
    return tuple(ordered)


def _kind(value: Any) -> Any:
    return (value.shape, value.dtype, value.device) if isinstance(value, Tensor) else None


class Function(metaclass=FunctionMeta):
    """The base of operations with a backward of their own. Subclasses define ``forward`` and ``backward``, callers use
    ``apply``.

    ``forward(ctx, *args)`` computes, without recording. Instead of taking ``ctx`` it may leave that to
    ``setup_context(ctx, inputs, output)``. ``backward(ctx, *grad_outputs)`` gives one gradient, or None, for each
    argument of forward.

    Example::

        >>> import rustorch as torch
        >>> class Exp(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         result = x.exp()
        ...         ctx.save_for_backward(result)
        ...         return result
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         (result,) = ctx.saved_tensors
        ...         return grad_output * result
        >>> x = torch.zeros(2, requires_grad=True)
        >>> Exp.apply(x)
        tensor([1., 1.], grad_fn=<ExpBackward>)
    """

    _backward_cls: type[BackwardCFunction]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. "
            "(Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the result from the arguments."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keeps what backward needs, where ``forward`` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gives the gradients of forward's arguments from those of its results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Forward-mode differentiation, which is not built."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def _backward_of_user(cls) -> Callable[..., Any]:
        """``backward`` or ``vjp``, whichever the subclass defines."""
        own_backward, own_vjp = cls.backward is not Function.backward, cls.vjp is not Function.vjp
        if own_backward and own_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                "implement one of them."
            )
        return cls.vjp if own_vjp else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Calls forward and records the call, where recording is on and an argument requires a gradient."""
        ctx = cls._backward_cls()
        separate = cls.setup_context is not Function.setup_context
        if separate:
            import inspect  # slow to import, and rarely needed

            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        elif kwargs:
            args = _in_order(cls.forward, args, kwargs)
        ctx.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        recorded = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            if separate:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            _C._set_grad_enabled(recorded)
        return cls._record(ctx, args, output)

    @classmethod
    def _record(cls, ctx: BackwardCFunction, args: tuple[Any, ...], output: Any) -> Any:
        """Puts a node behind the outputs."""
        outputs = output if isinstance(output, tuple) else (output,)
        for tensor in ctx._dirty:
            if not any(tensor is result for result in outputs):
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs "
                    "that are modified inplace must all be outputs of the Function."
                )
        ctx._input_kinds = [_kind(arg) for arg in args]
        ctx._output_kinds = [_kind(result) for result in outputs]
        for position, value in enumerate(ctx._to_save):
            if not (value is None or isinstance(value, Tensor)):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {position} is of type "
                    f"{type(value).__name__}"
                )
        tracked = iter(
            _C._custom_function(
                ctx,
                type(ctx).__name__,
                tuple(arg if isinstance(arg, Tensor) else None for arg in args),
                tuple(result for result in outputs if isinstance(result, Tensor)),
                ctx._dirty,
                ctx._non_differentiable,
                ctx._to_save,
            )
        )
        # From here on the node keeps them: held here too, an output would keep its own node alive.
        ctx._to_save, ctx._dirty, ctx._non_differentiable = (), (), ()
        results = tuple(next(tracked) if isinstance(result, Tensor) else result for result in outputs)
        return results if isinstance(output, tuple) else results[0]


class NestedIOFunction(Function):
    """Functions over nested lists of tensors, an old form that is not built."""

    def __init_subclass__(cls) -> None:
        raise NotImplementedError("rustorch.autograd.NestedIOFunction is not built")


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Says of a ``backward`` that its own gradient is not known: differentiating it again raises RuntimeError.

    Example::

        >>> from rustorch.autograd import Function
        >>> from rustorch.autograd.function import once_differentiable
        >>> class Round(Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x.round()
        ...     @staticmethod
        ...     @once_differentiable
        ...     def backward(ctx, grad_output):
        ...         return grad_output
    """

    @functools.wraps(function)
    def wrapper(ctx: Any, *args: Any) -> Any:
        recorded = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            gradients = function(ctx, *args)
        finally:
            _C._set_grad_enabled(recorded)
        wanted = any(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        if not recorded or not wanted:
            return gradients
        single = not isinstance(gradients, tuple)
        refusing = _Refuse.apply(*(_asking(g) for g in ((gradients,) if single else gradients)))
        return refusing[0] if single else refusing

    return wrapper


def _asking(gradient: Tensor | None) -> Tensor | None:
    """The gradient as a leaf that requires one, so that what is made of it has a node."""
    return None if gradient is None else gradient.detach().requires_grad_()


class _Refuse(Function):
    """Hands its arguments on, and refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, *gradients: Any) -> Any:
        return tuple(None if gradient is None else gradient.view_as(gradient) for gradient in gradients)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

"""Switching the recording of gradients on and off, for a block, a function or from here on."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from rustorch import _C

# inspect.CO_GENERATOR, without the cost of importing that module.
_CO_GENERATOR = 0x20

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]


class _Mode:
    """A context manager that is also a decorator: each call of the function, each step of a generator enters anew."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *_: Any) -> None:
        raise NotImplementedError

    def clone(self) -> Any:
        """Another one with the same arguments; a mode that is entered cannot be entered again."""
        return type(self)()

    def __call__(self, function: Any) -> Any:
        if isinstance(function, type):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. "
                "You should only decorate functions or methods. To preserve the current behavior of class "
                "decoration, you can directly decorate the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            decorated: Any = function
            decorated.__init__ = self(decorated.__init__)
            return decorated
        code = getattr(function, "__code__", None)
        wrapper = _around_generator if code and code.co_flags & _CO_GENERATOR else _around_call
        return functools.wraps(function)(wrapper(self.clone, function))


def _around_call(mode: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return call


def _around_generator(mode: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The mode holds while the generator runs, not while its user does."""

    def steps(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        advance: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with mode():
                    value = advance()
            except StopIteration as end:
                return end.value
            try:
                sent = yield value
                advance = functools.partial(generator.send, sent)
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                advance = functools.partial(generator.throw, error)

    return steps


class _PlainMode(_C._GradMode, _Mode):
    """A mode without arguments, which may decorate without parentheses; entering and leaving it is native."""

    _enabled: bool

    def __new__(cls, orig_func: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls, cls._enabled)
        return mode if orig_func is None else mode(orig_func)


class no_grad(_PlainMode):
    """Nothing is recorded: what is computed inside does not require gradients.

    Example::

        >>> import rustorch as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> with torch.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
        >>> @torch.no_grad()
        ... def doubled(x):
        ...     return x * 2
        >>> doubled(x).requires_grad
        False
    """

    _enabled = False


class enable_grad(_PlainMode):
    """Records again, inside a block where recording is off.

    Example::

        >>> import rustorch as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> with torch.no_grad(), torch.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    _enabled = True


class set_grad_enabled(_Mode):
    """Switches recording on or off: from the call on, and as a context manager until the end of the block.

    Example::

        >>> import rustorch as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> with torch.set_grad_enabled(False):
        ...     y = x * 2
        >>> y.requires_grad
        False
        >>> _ = torch.set_grad_enabled(True)
    """

    def __init__(self, mode: bool) -> None:
        self.prev = _C.is_grad_enabled()
        self.mode = mode
        _C._set_grad_enabled(mode)

    def __call__(self, function: Any) -> Any:
        # Used as a decorator it means the function's calls only.
        _C._set_grad_enabled(self.prev)
        return super().__call__(function)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self.mode)

    def __exit__(self, *_: Any) -> None:
        _C._set_grad_enabled(self.prev)

    def __str__(self) -> str:
        return f"rustorch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    def __repr__(self) -> str:
        return str(self)

    def clone(self) -> "set_grad_enabled":
        return type(self)(self.mode)


class inference_mode(_Mode):
    """Like :class:`no_grad`, and tensors made inside can never take part in recorded work: they count no writes.

    ``inference_mode(False)`` inside such a block is normal mode again.

    Example::

        >>> import rustorch as torch
        >>> with torch.inference_mode():
        ...     y = torch.ones(2) * 2
        >>> y.is_inference()
        True
    """

    def __new__(cls, mode: Any = True) -> Any:
        # Without parentheses the argument is the function to decorate.
        return super().__new__(cls) if isinstance(mode, bool) else cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self._before = _C.is_inference_mode_enabled(), _C.is_grad_enabled()
        _C._set_inference_mode(self.mode)
        _C._set_grad_enabled(not self.mode)

    def __exit__(self, *_: Any) -> None:
        inference, recording = self._before
        _C._set_inference_mode(inference)
        _C._set_grad_enabled(recording)

    def clone(self) -> "inference_mode":
        return type(self)(self.mode)

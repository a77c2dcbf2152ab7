"""Where the functional wrappers find their native operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from rustorch import _C

Function = TypeVar("Function", bound=Callable[..., Any])

_HOMES = tuple(home for home in (getattr(_C, "_nn", None), _C) if home is not None)


def _find(name: str) -> Callable[..., Any] | None:
    for home in _HOMES:
        found = getattr(home, name, None)
        if found is not None:
            return found
    return None


def native(name: str) -> Callable[..., Any]:
    """The native operation ``name``; where it is not built, a function that raises NotImplementedError naming it."""
    found = _find(name)
    if found is not None:
        return found

    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"rustorch: the operation '{name}' is not implemented")

    missing.__name__ = missing.__qualname__ = name
    return missing


def is_native(name: str) -> bool:
    """Whether the native operation ``name`` is built."""
    return _find(name) is not None


def prefer_native(composition: Function) -> Function:
    """The native operation of the same name where it is built, else the decorated composition of other operations."""
    return _find(composition.__name__) or composition  # type: ignore[return-value]


def rewrite(target: Any, value: Any) -> Any:
    """``target``, in place, with the values of ``value``: the in-place form of an operation that has none of its
    own."""
    return target.copy_(value)

"""Which part of an object cannot be pickled: its path, as one would write it in Python."""

import pickle
import types
from collections.abc import Callable, Iterator
from typing import Any

_DEEPEST = 32


def explain(error: Exception, obj: Any, dump: Callable[[Any], Any]) -> Exception:
    """The same kind of exception, with the path of what caused it in front; the path begins with a field of ``obj``."""
    path, part, cause = _descend(obj, "", error, dump)
    text = f"cannot send {path} (of type {type(part).__qualname__}) to the workers: {cause}"
    try:
        return type(cause)(text)
    except Exception:
        return pickle.PicklingError(text)


def _descend(obj: Any, path: str, error: Exception, dump: Callable[[Any], Any]) -> tuple[str, Any, Exception]:
    """Follows the first part that fails by itself as deep as there is one."""
    seen = {id(obj)}
    for _ in range(_DEEPEST):
        for step, part in _parts(obj):
            if id(part) in seen:
                continue
            seen.add(id(part))
            try:
                dump(part)
            except Exception as failure:
                obj, path, error = part, _join(path, step), failure
                break
        else:
            break
    return path, obj, error


def _join(path: str, step: str) -> str:
    """A root without a name of its own leaves the names to its parts."""
    return path + step if path else step.lstrip(".")


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(obj, dict):
        for key, value in obj.items():
            yield f"[{key!r}]", value
    elif isinstance(obj, list | tuple | set | frozenset):
        for position, value in enumerate(obj):
            yield f"[{position}]", value
    elif isinstance(obj, types.FunctionType):
        yield from _parts_of_function(obj)
    elif isinstance(obj, types.MethodType):
        yield ".__self__", obj.__self__
    elif isinstance(obj, type):
        for name, value in list(vars(obj).items()):
            if not name.startswith("__") or callable(value):
                yield f".{name}", value
    else:
        yield from _parts_of_instance(obj)


def _parts_of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f".<closure>.{name}", cell.cell_contents
        except ValueError:  # a variable that is not set yet
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f".<globals>.{name}", function.__globals__[name]
    for position, value in enumerate(function.__defaults__ or ()):
        yield f".__defaults__[{position}]", value


def _parts_of_instance(obj: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(getattr(obj, "__dict__", {}).items()):
        yield f".{name}", value
    for owner in type(obj).__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                yield f".{name}", getattr(obj, name)
    yield ".__class__", type(obj)

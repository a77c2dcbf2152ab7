"""Handles that take a registered hook away again."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["RemovableHandle", "unserializable_hook"]


class RemovableHandle:
    """What ``register_*_hook`` returns: ``handle.remove()`` takes the hook away, leaving a ``with`` block does too.

    The handle holds the hook dictionaries weakly, so that keeping it does not keep a module or tensor alive.
    ``extra_dict`` names one more dictionary (or a list of them) keyed by the same id, cleaned together with the first.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extras = extra_dict if isinstance(extra_dict, list) else [] if extra_dict is None else [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # A handle whose dictionary is gone comes back dead: removing through it does nothing.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if state[0] is None else state[0])
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in (state[2] if len(state) > 2 else ()))

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def unserializable_hook(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Mark ``hook`` as one that is knowingly left out when its tensor is saved, which silences the warning about it."""
    hook.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return hook

"""The names of PyTorch that a package here does not have: asked for, they say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn

import rustorch


def not_built(package: str, names: Iterable[str]) -> Callable[[str], NoReturn]:
    """A package's ``__getattr__``: for one of ``names`` a NotImplementedError that names it (``hasattr`` is False)."""
    known = frozenset(names)

    def lookup(name: str) -> NoReturn:
        if name in known:
            raise rustorch._NotBuilt(f"{package}.{name} is not built yet")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return lookup

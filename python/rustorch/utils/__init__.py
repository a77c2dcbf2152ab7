"""What stands around the framework; ``rustorch.utils.data`` loads data."""

import importlib
from typing import Any

_SUBPACKAGES = ("data",)


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Switches that scripts set for the whole program: determinism, precision, default types and devices."""

from typing import Any

from rustorch import _C
from rustorch._tensor_types import _DTYPES, tensortype

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_default_device",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "use_deterministic_algorithms",
]

_DEBUG_MODES = ("default", "warn", "error")
_PRECISIONS = ("highest", "high", "medium")
_state: dict[str, Any] = {"deterministic": False, "warn_only": False, "precision": "highest"}


# ---- determinism: the results never depend on the number of threads or on chance, whatever is set


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for results that repeat bit for bit. They always do; the setting is kept for those who ask for it."""
    if not isinstance(mode, bool):
        raise TypeError(
            f"_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}"
        )
    _state["deterministic"], _state["warn_only"] = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What :func:`use_deterministic_algorithms` was told."""
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether :func:`use_deterministic_algorithms` was told to warn only."""
    return _state["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same setting as a mode: ``"default"`` or 0, ``"warn"`` or 1, ``"error"`` or 2."""
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2; see :func:`set_deterministic_debug_mode`."""
    if not _state["deterministic"]:
        return 0
    return 1 if _state["warn_only"] else 2


# ---- precision


def set_float32_matmul_precision(precision: str) -> None:
    """Allows products of float32 matrices to be less exact (``"high"``, ``"medium"``). They are always exact."""
    if precision in _PRECISIONS:
        _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` was told."""
    return _state["precision"]


# ---- defaults


def set_default_tensor_type(t: Any, /) -> None:
    """Sets the default dtype by the old name of a type: ``torch.DoubleTensor`` or ``"torch.DoubleTensor"``."""
    name = t.rsplit(".", 1)[-1] if isinstance(t, str) else None
    dtype = t.dtype if isinstance(t, tensortype) else _DTYPES.get(name or "")
    if dtype is None:
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    if not dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _C.set_default_dtype(dtype)


def get_default_device() -> _C.device:
    """The device where tensors are made unless said otherwise."""
    return _C.device("cpu")


def set_default_device(device: Any) -> None:
    """Makes ``device`` the default; only the CPU (or None, which means it) is built."""
    if device is not None and _C.device(device).type != "cpu":
        raise NotImplementedError(f"set_default_device({device!r}): only the CPU can be the default device")

"""PyTorch's names for GPUs. There is none yet: questions are answered so, orders are refused."""

from typing import Any, NoReturn

from rustorch._C import Generator, Tensor

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "get_rng_state",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "set_device",
    "synchronize",
]

# There are no generators of GPUs.
default_generators: tuple[Generator, ...] = ()


def is_available() -> bool:
    """Whether a GPU can be used: False."""
    return False


def is_initialized() -> bool:
    """Whether a GPU was used: False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a GPU computes with bfloat16: False."""
    return False


def device_count() -> int:
    """How many GPUs there are: 0."""
    return 0


def empty_cache() -> None:
    """Gives cached GPU memory back; there is none, so nothing happens."""


def manual_seed(seed: int) -> None:
    """Seeds the current GPU's generator; without a GPU nothing happens, as in PyTorch."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs; without a GPU nothing happens, as in PyTorch."""
    int(seed)


def _refuse() -> NoReturn:
    raise RuntimeError("No CUDA GPUs are available")


def current_device() -> int:
    """The number of the GPU in use; raises RuntimeError without one."""
    _refuse()


def set_device(device: Any) -> None:
    """Chooses the GPU to use; raises RuntimeError without one."""
    _refuse()


def synchronize(device: Any = None) -> None:
    """Waits for the GPU; raises RuntimeError without one."""
    _refuse()


def get_device_name(device: Any = None) -> str:
    """The GPU's name; raises RuntimeError without one."""
    _refuse()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of a GPU's generator; raises RuntimeError without one."""
    _refuse()

"""Which device a loaded storage goes to: ``map_location``."""

from collections.abc import Callable
from typing import Any, TypeAlias

import rustorch as torch

__all__ = ["Placement"]

MapLocation: TypeAlias = "Callable[[Any, str], Any] | torch.device | str | bytes | dict[str, str] | None"


class Placement:
    """Moves the memory of storages where ``map_location`` sends the device that they were saved from."""

    def __init__(self, map_location: MapLocation) -> None:
        if isinstance(map_location, bytes):
            map_location = map_location.decode("ascii")
        if isinstance(map_location, torch.device):
            map_location = str(map_location)
        self._map_location = map_location

    @property
    def without_data(self) -> bool:
        """Everything goes to the meta device, so that nothing need be read."""
        return self._map_location == "meta"

    def place(self, memory: torch.Tensor, location: str) -> torch.Tensor:
        """The storage's memory, on its device. RuntimeError if there is no such device."""
        target = self._map_location
        if target is None:
            return _move(memory, location)
        if isinstance(target, str):
            return _move(memory, target)
        if isinstance(target, dict):
            return _move(memory, target.get(location, location))
        storage = memory.untyped_storage()
        placed = target(storage, location)
        if placed is None:
            return _move(memory, location)
        if placed != storage:
            raise NotImplementedError("rustorch.load: a map_location that returns another storage than it was given")
        return memory


def _move(memory: torch.Tensor, location: str) -> torch.Tensor:
    kind = location.partition(":")[0]
    if kind == "cpu":
        return memory
    if kind not in ("meta", "cuda", "gpu", "wgpu"):
        raise RuntimeError(
            f"don't know how to restore data location of torch.UntypedStorage (tagged with {location!s:.80})"
        )
    if kind != "meta" and not torch.cuda.is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        )
    return memory.to(location)

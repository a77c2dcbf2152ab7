"""Which device a loaded storage goes to: ``map_location``."""

from collections.abc import Callable
from typing import Any

import rustorch as torch

__all__ = ["Placement"]

MapLocation = Callable[[Any, str], Any] | torch.device | str | dict[str, str] | None


class Placement:
    """Moves storages where ``map_location`` sends the device that they were saved from."""

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

    def place(self, storage: Any, location: str) -> Any:
        """The storage, on its device. RuntimeError if there is no such device."""
        target = self._map_location
        if target is None:
            return _move(storage, location)
        if isinstance(target, str):
            return _move(storage, target)
        if isinstance(target, dict):
            return _move(storage, target.get(location, location))
        placed = target(storage, location)
        return _move(storage, location) if placed is None else placed


def _move(storage: Any, location: str) -> Any:
    kind = location.partition(":")[0]
    if kind == "cpu":
        return storage
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
    nbytes = storage.nbytes()
    if kind == "meta":
        return torch.empty(nbytes, dtype=torch.uint8, device="meta").untyped_storage()
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, (nbytes,), (1,)).to(location).untyped_storage()

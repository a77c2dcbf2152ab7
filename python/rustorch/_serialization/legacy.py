"""The stream that PyTorch wrote before version 1.6: five pickles (a magic number, a version, the writer's system, the
object, the storages' keys), then every storage as its count of elements (int64) and their bytes."""

import os
import struct
from typing import Any, BinaryIO

import rustorch as torch
from rustorch._serialization.allowed import AllowedGlobals
from rustorch._serialization.errors import UnpicklingError
from rustorch._serialization.interpreter import Interpreter
from rustorch._serialization.placement import Placement
from rustorch._serialization.storages import Budget, StorageType, StoredElements, new_memory, view_of_bytes

__all__ = ["load_legacy"]

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001


def load_legacy(file: BinaryIO, placement: Placement) -> Any:
    """The object of a legacy file, from the file's position on.

    Raises:
        RuntimeError: no such file, or of another version.
        UnpicklingError: damage, or a global that is not allowed.
    """
    start = file.tell()
    available = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if not available:
        raise EOFError("Ran out of input")
    storages = _Storages(Budget(available), placement)
    if _read(file, storages) != _MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = _read(file, storages)
    if version != _PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version!s:.80}")
    system = _read(file, storages)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UnpicklingError("The file was written by a big-endian machine, which rustorch.load does not read")
    value = _read(file, storages)
    keys = _read(file, storages)
    if not isinstance(keys, list):
        raise UnpicklingError("The file is damaged: it has no list of its storages")
    for key in keys:
        storages.fill(key, file)
    return value


def _read(file: BinaryIO, storages: "_Storages") -> Any:
    return Interpreter(AllowedGlobals(storages.persistent_load)).load(file)


class _Storages:
    """The storages that the pickle speaks of: made when first met, filled when their bytes come."""

    def __init__(self, budget: Budget, placement: Placement) -> None:
        self._budget = budget
        self._placement = placement
        # Where the bytes go, and the elements tensors are laid over; another memory only on another device.
        self._known: dict[str, tuple[torch.Tensor, StoredElements]] = {}

    def persistent_load(self, identifier: Any) -> Any:
        match identifier:
            case ("module", container, *_):
                return container
            case ("storage", StorageType() as kind, str() as key, str() as location, int() as count, view):
                elements = self._elements(key, kind, location, count)
                return elements if view is None else _view(elements, view)
        raise UnpicklingError(f"Unknown saved id type: {identifier!r:.80}")

    def _elements(self, key: str, kind: StorageType, location: str, count: int) -> StoredElements:
        if key not in self._known:
            if count < 0:
                raise UnpicklingError(f"The file is damaged: a storage of {count} elements")
            self._budget.draw(count * kind.itemsize, f"storage {key!s:.80}")
            memory = new_memory(count * kind.itemsize)
            self._known[key] = (memory, StoredElements(self._placement.place(memory, location), kind, 0, count))
        elements = self._known[key][1]
        if elements.type != kind or elements.count != count:
            raise UnpicklingError(f"The file is damaged: storage {key!s:.80} has two types or sizes")
        return elements

    def fill(self, key: Any, file: BinaryIO) -> None:
        if not isinstance(key, str) or key not in self._known:
            raise UnpicklingError(f"The file is damaged: nothing uses its storage {key!r:.80}")
        memory, elements = self._known[key]
        header = file.read(8)
        if len(header) < 8 or struct.unpack("<q", header)[0] != elements.count:
            raise UnpicklingError(f"The file is damaged: storage {key!s:.80} is cut short or of another size")
        into = view_of_bytes(memory)
        data = file.read(len(into))
        if len(data) != len(into):
            raise UnpicklingError(f"The file is damaged: storage {key!s:.80} is cut short")
        into[:] = data
        if elements.memory is not memory and elements.memory.device.type != "meta":
            elements.memory.copy_(memory)


def _view(elements: StoredElements, view: Any) -> StoredElements:
    """Part of a storage, which another key names."""
    match view:
        case (str(), int() as start, int() as count) if start >= 0 and count >= 0 and start + count <= elements.count:
            return StoredElements(elements.memory, elements.type, elements.start + start, count)
    raise UnpicklingError(f"The file is damaged: {view!r:.80} is no part of a storage")

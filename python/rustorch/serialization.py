"""Saving and loading: PyTorch's files, both ways, without ever running what a file says."""

import io
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import rustorch as torch
from rustorch._serialization.allowed import AllowedGlobals
from rustorch._serialization.archive import ArchiveReader, ArchiveWriter, root_name
from rustorch._serialization.errors import PicklingError, UnpicklingError
from rustorch._serialization.interpreter import Interpreter
from rustorch._serialization.legacy import load_legacy
from rustorch._serialization.placement import MapLocation, Placement
from rustorch._serialization.storages import (
    Budget,
    StorageType,
    StoredElements,
    new_memory,
    view_of_bytes,
)
from rustorch._serialization.writer import Writer

__all__ = ["PicklingError", "UnpicklingError", "load", "save"]

FileLike = str | os.PathLike[str] | IO[bytes]


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Saves an object to a file that :func:`load` and PyTorch's ``torch.load(weights_only=True)`` read.

    Views and shared storages stay so. What is saved may be made of tensors, parameters, numbers, strings, bytes, None,
    lists, tuples, dicts (also OrderedDict, Counter, defaultdict), sets, ``torch.Size``, devices, dtypes, and numpy's
    scalars and arrays of numbers: the ``state_dict()`` of modules and optimizers is.

    Args:
        obj: what to save.
        f: a path, or a file that has ``write``.
        pickle_module: must be the standard library's ``pickle``; nothing of it is used.
        pickle_protocol: must be 2.

    Raises:
        PicklingError: the object holds something else, which its message names. Nothing has been written.

    Example::

        >>> import io
        >>> import rustorch as torch
        >>> file = io.BytesIO()
        >>> torch.save({"epoch": 3, "weight": torch.ones(2)}, file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        {'epoch': 3, 'weight': tensor([1., 1.])}
    """
    if pickle_module is not pickle or pickle_protocol != 2 or not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "rustorch.save: pickle_module, pickle_protocol and _use_new_zipfile_serialization have only their defaults"
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    writer = Writer()
    data = writer.dump(obj)
    with _opened(f, "wb") as file:
        archive = ArchiveWriter(file, root_name(f))
        archive.write("data.pkl", data)
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", b"64")
        if not _disable_byteorder_record:
            archive.write("byteorder", sys.byteorder.encode())
        for key, memory in writer.storages.items():
            archive.write(f"data/{key}", view_of_bytes(memory))
        archive.close()


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Loads what :func:`save` or PyTorch's ``torch.save`` wrote, in PyTorch's zip format or the one before it.

    No code runs, whatever the file says: its pickle is read by an interpreter of a closed list of opcodes and globals.
    A damaged file raises an error and never allocates more than it has bytes for.

    Args:
        f: a path, or a file that has ``read``, ``seek`` and ``tell``.
        map_location: where storages go: a device or its name, a dict of such names, or a function of a storage and the
            name of the device it was saved from.
        pickle_module: must be None.
        weights_only: both values load the same, and neither executes pickle.
        mmap: leave the tensors in the file, mapped into memory, until they are read. Needs a path and the zip format.

    Raises:
        UnpicklingError: the file names a class or function outside the list, or is damaged.
        RuntimeError: the container is damaged, or a device is missing.

    Example::

        >>> import io
        >>> import rustorch as torch
        >>> file = io.BytesIO()
        >>> torch.save([torch.arange(3)], file)
        >>> _ = file.seek(0)
        >>> torch.load(file, map_location="cpu")
        [tensor([0, 1, 2])]
    """
    if pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    placement = Placement(map_location)
    with _opened(f, "rb") as file:
        _check_seekable(file)
        if _is_zip(file):
            return _load_archive(file, placement, bool(mmap))
        if mmap:
            raise RuntimeError(
                "mmap can only be used with files saved with "
                f"`torch.save({f!s}, _use_new_zipfile_serialization=True), "
                "please torch.save your checkpoint with this option in order to use mmap."
            )
        return load_legacy(file, placement)


@contextmanager
def _opened(f: FileLike, mode: str) -> Iterator[Any]:
    """The file itself, or one opened for as long as the context lasts."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, mode) as file:
            yield file
    else:
        yield f
        if mode == "wb" and hasattr(f, "flush"):
            f.flush()


def _check_seekable(file: Any) -> None:
    try:
        file.seek(file.tell())
    except (AttributeError, OSError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer "
            "like io.BytesIO and try to load from it instead."
        ) from error


def _is_zip(file: IO[bytes]) -> bool:
    start = file.tell()
    signature = file.read(4)
    file.seek(start)
    return signature == b"PK\x03\x04"


def _load_archive(file: Any, placement: Placement, mapped: bool) -> Any:
    archive = ArchiveReader(file)
    try:
        if archive.has("constants.pkl"):
            raise RuntimeError(
                "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
                "rustorch.load reads checkpoints: save the module's state_dict() instead."
            )
        if archive.has("byteorder") and archive.read("byteorder") != sys.byteorder.encode():
            raise UnpicklingError("The file was written by a big-endian machine, which rustorch.load does not read")
        storages = _Storages(archive, placement, mapped)
        return Interpreter(AllowedGlobals(storages.persistent_load)).load(io.BytesIO(archive.read("data.pkl")))
    finally:
        archive.close()


class _Storages:
    """The storages of an archive, each read when the pickle first speaks of it."""

    def __init__(self, archive: ArchiveReader, placement: Placement, mapped: bool) -> None:
        self._archive = archive
        self._placement = placement
        self._map = archive.map() if mapped else None
        self._budget = Budget(archive.nbytes)
        self._known: dict[str, StoredElements] = {}

    def persistent_load(self, identifier: Any) -> StoredElements:
        match identifier:
            case ("storage", StorageType() as kind, str() as key, str() as location, int() as count):
                if key not in self._known:
                    self._known[key] = self._read(kind, key, location, count)
                elements = self._known[key]
                if elements.type != kind or elements.count != count:
                    raise UnpicklingError(f"The file is damaged: storage {key!s:.80} has two types or sizes")
                return elements
        raise UnpicklingError(f"Unknown saved id type: {identifier!r:.80}")

    def _read(self, kind: StorageType, key: str, location: str, count: int) -> StoredElements:
        record = f"data/{key}"
        nbytes = self._archive.size(record)
        if count < 0 or count * kind.itemsize > nbytes:
            raise UnpicklingError(
                f"The file is damaged: storage {key!s:.80} claims {count} elements, but its record has {nbytes} bytes"
            )
        nbytes = count * kind.itemsize
        if self._placement.without_data:
            return StoredElements(new_memory(nbytes, "meta"), kind, 0, count)
        self._budget.draw(nbytes, f"storage {key!s:.80}")
        memory = self._mapped(record, nbytes) if self._map else None
        if memory is None:
            memory = new_memory(self._archive.size(record))
            self._archive.read_into(record, view_of_bytes(memory))
        return StoredElements(self._placement.place(memory, location), kind, 0, count)

    def _mapped(self, record: str, nbytes: int) -> Any:
        """The record where it lies in the mapped file; None if its elements would lie across words there."""
        offset = self._archive.offset(record)
        if not nbytes or offset % 16:
            return None
        return torch.frombuffer(self._map, dtype=torch.uint8, count=nbytes, offset=offset)

"""How a data set travels to the worker processes: by value, and its arrays once.

The code goes through cloudpickle, so lambdas, closures and everything of a script without ``__main__`` guard work: no
worker ever imports the script again. The bytes of NumPy arrays and tensors leave the pickle (protocol 5) and lie page
by page in one memory file, which every worker maps privately: unchanged pages exist once on the machine.
"""

import ctypes
import io
import mmap
import os
import pickle
import random
import struct
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle

import rustorch
from rustorch._C import _data
from rustorch.utils.data._utils.unpacking import attribute_of, memmap_from_file, storage_over

_PAGE = mmap.PAGESIZE
# A pickle of many objects.
_LARGE = 1 << 20
_Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


def storage_bytes(storage: Any) -> Any:
    """The bytes of a storage as a writable buffer; the storage must outlive it."""
    return (ctypes.c_ubyte * storage.nbytes()).from_address(storage.data_ptr())


def _reduce_memmap(array: Any) -> _Reduced | None:
    """A memory-mapped file is mapped again by the worker; None for what no longer lies in one."""
    import numpy

    source = array
    while isinstance(source, numpy.ndarray) and not isinstance(source, mmap.mmap):
        if source.base is None:
            return None
        source = source.base
    if not isinstance(source, mmap.mmap) or array.filename is None or any(step < 0 for step in array.strides):
        return None
    start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    first = numpy.frombuffer(source, numpy.uint8).__array_interface__["data"][0]
    offset = start + array.__array_interface__["data"][0] - first
    last = sum(step * (size - 1) for step, size in zip(array.strides, array.shape, strict=True))
    length = last + array.itemsize if array.size else 0
    mode = "r+" if array.mode == "w+" else array.mode
    return memmap_from_file, (str(array.filename), mode, offset, array.shape, array.strides, array.dtype, length)


class Pickler(cloudpickle.Pickler):
    """cloudpickle, with storages out of band and the hidden generators by name.

    ``from random import uniform`` is a method bound to a hidden generator. By value a worker would draw from a private
    copy that no reseeding reaches, and all workers would draw the same numbers.
    """

    def reducer_override(self, obj: Any) -> Any:
        named = _named(obj)
        if named is not None:
            return attribute_of, named
        if type(obj).__module__ == "numpy" and type(obj).__name__ == "memmap":
            return _reduce_memmap(obj) or NotImplemented
        if isinstance(obj, rustorch.UntypedStorage):
            return storage_over, (pickle.PickleBuffer(storage_bytes(obj)),)
        return super().reducer_override(obj)


def _named(obj: Any) -> tuple[str, str] | None:
    """Where an object lies that every process has one of."""
    if obj is random._inst:  # type: ignore[attr-defined]
        return "random", "_inst"
    if obj is rustorch.default_generator:
        return "rustorch", "default_generator"
    drawing = sys.modules.get("numpy.random.mtrand")
    if drawing is not None and obj is drawing._rand:
        return "numpy.random.mtrand", "_rand"
    return None


def _dump(obj: Any, stream: Any) -> list[pickle.PickleBuffer]:
    buffers: list[pickle.PickleBuffer] = []
    Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(obj)
    return buffers


def dump_into(descriptor: int, obj: Any) -> int:
    """Writes an object into an empty memory file; returns the file's length.

    The file: where its table is and how many parts that has; at the next page the pickle, which is never held in
    memory; then each buffer and the table, at pages. The table: offset and length of each part.

    Raises:
        TypeError, AttributeError, pickle.PicklingError ...: what pickling raised, with the path of the culprit
            (``dataset.transform.lock``) in its text.
    """
    from rustorch.utils.data._utils.culprit import explain

    with open(descriptor, "wb", closefd=False) as stream:
        stream.seek(_PAGE)
        try:
            buffers = _dump(obj, stream)
        except Exception as error:
            raise explain(error, obj, lambda part: _dump(part, io.BytesIO())) from error
        end = stream.tell()
    if end > _LARGE:
        # what the pickler knew of all objects
        _data.give_back_heap()
    table = [struct.pack("<QQ", _PAGE, end - _PAGE)]
    for buffer in buffers:
        raw, start = buffer.raw(), _round_up(end)
        table.append(struct.pack("<QQ", start, raw.nbytes))
        end = start + raw.nbytes
        os.ftruncate(descriptor, end)
        _write(descriptor, raw, start)
    start = _round_up(end)
    _write(descriptor, memoryview(b"".join(table)), start)
    _write(descriptor, memoryview(struct.pack("<QQ", start, len(table))), 0)
    return start + 16 * len(table)


def _round_up(offset: int) -> int:
    return -(-offset // _PAGE) * _PAGE


def _write(descriptor: int, part: memoryview, offset: int) -> None:
    done = 0
    while done < part.nbytes:
        done += os.pwrite(descriptor, part[done:], offset + done)

"""A data set as a worker process gets it out of the memory file that :mod:`packing` wrote.

This module and what it imports stand in the way of every worker's first batch, so it needs no cloudpickle: a data set
of importable classes is read without it, and one that needs it names it.
"""

import mmap
import pickle
import struct
import sys
from typing import Any

import rustorch


def storage_over(buffer: Any) -> Any:
    """The storage over a buffer's own memory."""
    if not memoryview(buffer).nbytes:
        return rustorch.empty(0, dtype=rustorch.uint8).untyped_storage()
    return rustorch.frombuffer(buffer, dtype=rustorch.uint8).untyped_storage()


def attribute_of(module: str, name: str) -> Any:
    """The worker's own object of this name."""
    __import__(module)
    return getattr(sys.modules[module], name)


def memmap_from_file(name: str, mode: str, offset: int, shape: Any, strides: Any, dtype: Any, length: int) -> Any:
    """The memory-mapped array of a file, mapped anew by this process."""
    import numpy

    raw = numpy.memmap(name, dtype=numpy.uint8, mode=mode, offset=offset, shape=(length,))  # type: ignore[call-overload]
    return numpy.ndarray.__new__(numpy.memmap, shape, dtype, raw, 0, strides)


def load_from(descriptor: int) -> Any:
    """The object of a memory file. Its arrays lie in the file's pages, which this process gets its own copy of when it
    writes to them."""
    mapped = mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    view = memoryview(mapped)
    table, count = struct.unpack_from("<QQ", mapped, 0)
    places = [struct.unpack_from("<QQ", mapped, table + 16 * position) for position in range(count)]
    code, *buffers = (view[offset : offset + length] for offset, length in places)
    return pickle.loads(code, buffers=buffers)

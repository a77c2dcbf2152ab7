"""Between bytes and tensors: storages filled from files, tensors laid over storages, and storages read back.

Nothing is allocated before it is known that the file holds as many bytes: see :class:`Budget`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rustorch as torch
from rustorch._serialization.errors import UnpicklingError

__all__ = ["STORAGE_NAMES", "Budget", "StorageType", "StoredElements", "lay_out", "new_storage", "view_of_bytes"]

# The dtype of each of PyTorch's storage classes. Tensors of other dtypes lie in untyped storages.
STORAGE_NAMES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class StorageType:
    """A storage class as a file names it. ``dtype`` is None for an untyped storage, whose elements are bytes."""

    dtype: Any = None

    @property
    def itemsize(self) -> int:
        return 1 if self.dtype is None else self.dtype.itemsize


@dataclass(frozen=True)
class StoredElements:
    """Elements of a storage that a file holds: ``count`` of them, from element ``start`` on."""

    storage: Any
    type: StorageType
    start: int
    count: int


class Budget:
    """How many bytes a file can still fill. Storages that claim more than the whole file holds are refused before
    they are allocated."""

    def __init__(self, available: int) -> None:
        self._available = available

    def draw(self, nbytes: int, what: str) -> None:
        if nbytes > self._available:
            raise UnpicklingError(
                f"The file is damaged: {what} claims {nbytes} bytes, but the file has only {self._available} left"
            )
        self._available -= nbytes


def new_storage(nbytes: int) -> Any:
    """A storage of so many bytes, not yet filled."""
    return torch.empty(nbytes, dtype=torch.uint8).untyped_storage()


def view_of_bytes(storage: Any) -> memoryview:
    """The bytes of a storage in this computer's memory, to read and to write."""
    nbytes = storage.nbytes()
    tensor = torch.empty(0, dtype=torch.uint8).set_(storage, 0, (nbytes,), (1,))
    return memoryview(tensor.numpy()) if nbytes else memoryview(bytearray())


def _whole_number(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise UnpicklingError(f"The file is damaged: {value!r:.80} is no {what} of a tensor")
    return value


def lay_out(elements: Any, dtype: Any, offset: Any, size: Any, stride: Any) -> Any:
    """A tensor over stored elements. UnpicklingError if it would reach beyond them."""
    if not isinstance(elements, StoredElements):
        raise UnpicklingError("The file is damaged: a tensor is laid over something that is no storage")
    if not isinstance(size, Sequence) or not isinstance(stride, Sequence) or len(size) != len(stride):
        raise UnpicklingError("The file is damaged: a tensor's size and stride do not go together")
    offset = _whole_number(offset, "storage offset")
    sizes = tuple(_whole_number(n, "size") for n in size)
    strides = tuple(_whole_number(n, "stride") for n in stride)
    count = elements.count * elements.type.itemsize // dtype.itemsize
    start = elements.start * elements.type.itemsize // dtype.itemsize
    end = offset if 0 in sizes else offset + 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if end > count:
        raise UnpicklingError(
            f"The file is damaged: a tensor of size {sizes}, stride {strides} and storage offset {offset} reaches "
            f"beyond the {count} elements of its storage"
        )
    return torch.empty(0, dtype=dtype, device=elements.storage.device).set_(
        elements.storage, start + offset, sizes, strides
    )

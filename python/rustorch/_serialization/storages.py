"""Between bytes and tensors: memory filled from files, tensors laid over it, and storages read back. The memory of a
storage is held as a flat uint8 tensor, whose storage it is.

Nothing is allocated before it is known that the file holds as many bytes: see :class:`Budget`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rustorch as torch
from rustorch._serialization.errors import UnpicklingError

__all__ = [
    "STORAGE_NAMES",
    "Budget",
    "StorageType",
    "StoredElements",
    "lay_out",
    "memory_of",
    "new_memory",
    "view_of_bytes",
]

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

    memory: torch.Tensor
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


def new_memory(nbytes: int, device: str = "cpu") -> torch.Tensor:
    """The memory of a new storage, not yet filled."""
    return torch.empty(nbytes, dtype=torch.uint8, device=device)


def memory_of(tensor: torch.Tensor) -> torch.Tensor:
    """The whole storage of a tensor, as far as it holds elements of the tensor's dtype."""
    count = tensor.untyped_storage().nbytes() // tensor.dtype.itemsize
    if not count:
        return new_memory(0)
    elements = torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(tensor.detach(), 0, (count,), (1,))
    return elements.view(torch.uint8)


def view_of_bytes(memory: torch.Tensor) -> memoryview:
    """The bytes, to read and to write; of a device's memory a copy."""
    array: Any = memory.cpu().numpy()
    return memoryview(array) if memory.numel() else memoryview(bytearray())


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
    memory = elements.memory
    bare = torch.empty(0, dtype=dtype, device=memory.device)
    nbytes = memory.numel() // dtype.itemsize * dtype.itemsize
    return bare.set_(memory[:nbytes].view(dtype) if nbytes else bare.clone(), start + offset, sizes, strides)

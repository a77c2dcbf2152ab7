"""``FloatTensor``, ``LongTensor`` and their like: a dtype, a constructor and an ``isinstance`` test in one old name."""

from typing import Any

from rustorch import _C
from rustorch._C import Size, Tensor, device

#: The type's name, and the dtype it stands for.
_DTYPES: dict[str, _C.dtype] = {
    "FloatTensor": _C.float32,
    "DoubleTensor": _C.float64,
    "HalfTensor": _C.float16,
    "BFloat16Tensor": _C.bfloat16,
    "ByteTensor": _C.uint8,
    "CharTensor": _C.int8,
    "ShortTensor": _C.int16,
    "IntTensor": _C.int32,
    "LongTensor": _C.int64,
    "BoolTensor": _C.bool,
}
# What PyTorch's C++ calls the dtypes where an argument has another one.
_NAMES_IN_MESSAGES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "bool": "bool",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def _options(dtype: _C.dtype) -> str:
    name = str(dtype).rsplit(".", 1)[-1]
    return (
        f"TensorOptions(dtype={_NAMES_IN_MESSAGES.get(name, name)}, device=cpu, layout=Strided, "
        "requires_grad=false (default), pinned_memory=false (default), memory_format=(nullopt))"
    )


def _from_data(kind: Any, data: Any) -> Tensor:
    """The tensor of a sequence or array, or the given tensor itself under another handle."""
    if isinstance(data, Tensor):
        if data.dtype != kind.dtype:
            raise TypeError(f"expected {_options(kind.dtype)} (got {_options(data.dtype)}")
        return data.detach()
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if not hasattr(data, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    try:
        return _C.tensor(data, dtype=kind.dtype)
    except TypeError:
        # Old constructors cut fractions off: LongTensor([1.5]) is [1].
        return _C.tensor(data).to(kind.dtype)


class tensortype(type):
    """The class of ``FloatTensor`` and the others, which have no instances: calling one makes a :class:`Tensor`."""

    dtype: _C.dtype
    is_cuda = False
    is_sparse = False

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """Makes a tensor of this dtype: of given sizes (uninitialised), of data, or empty without arguments."""
        place = kwargs.pop("device", None)
        if place is not None and device(place).type != "cpu":
            raise RuntimeError(
                f"legacy constructor expects device type: cpu but device type: {device(place).type} was passed"
            )
        if "data" in kwargs:
            return _from_data(cls, kwargs["data"])
        if "size" in kwargs:
            args = (Size(kwargs["size"]),)
        if len(args) == 1 and isinstance(args[0], Size):
            return _C.empty(tuple(args[0]), dtype=cls.dtype)
        if all(hasattr(size, "__index__") and not isinstance(size, Tensor) for size in args):
            return _C.empty(tuple(args) or (0,), dtype=cls.dtype)
        return _from_data(cls, args[0])

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype and instance.device.type == "cpu"


def _make(name: str, dtype: _C.dtype) -> tensortype:
    kind = tensortype(name, (), {"dtype": dtype, "__module__": "torch", "__doc__": f"Tensors of dtype {dtype}."})
    return kind


(
    FloatTensor,
    DoubleTensor,
    HalfTensor,
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    ShortTensor,
    IntTensor,
    LongTensor,
    BoolTensor,
) = (_make(name, dtype) for name, dtype in _DTYPES.items())
__all__ = list(_DTYPES)

"""Writes pickles of protocol 2, of exactly the values that :mod:`allowed` can read again, under PyTorch's names."""

import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from pickle import encode_long
from typing import Any

import rustorch as torch
from rustorch._serialization import arrays
from rustorch._serialization.errors import PicklingError
from rustorch._serialization.storages import STORAGE_NAMES, memory_of

__all__ = ["Writer"]

_BATCH = 1_000
_FACTORIES = {int: "int", float: "float", str: "str", list: "list", tuple: "tuple", dict: "dict", set: "set"}


class Writer:
    """One pickle. ``storages`` maps the keys of the storages met on the way to their memory.

    Raises:
        PicklingError: a value of a class that could not be loaded again.
    """

    def __init__(self) -> None:
        self.storages: dict[str, torch.Tensor] = {}
        self._out = bytearray(b"\x80\x02")
        # By identity; the value is kept so that no other object takes its place in memory meanwhile.
        self._memo: dict[Any, tuple[int, Any]] = {}
        self._storage_keys: dict[tuple[int, int], tuple[str, str]] = {}

    def dump(self, value: Any) -> bytes:
        self._write(value)
        return bytes(self._out) + b"."

    # ---- values

    def _write(self, value: Any) -> None:
        if value is None or value is True or value is False:
            self._out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
            return
        # Equal strings are one object in the file, as the keys of many state dicts.
        key = value if type(value) is str else id(value)
        if key in self._memo:
            self._recall(self._memo[key][0])
            return
        write = _WRITERS.get(type(value)) or self._writer_of_family(value)
        if write is None:
            raise PicklingError(
                f"Can't save an object of the class {type(value).__module__}.{type(value).__qualname__}: rustorch.load "
                "runs no code, so a file holds tensors, parameters, numbers, strings and containers of them. Save the "
                "state_dict() of modules and optimizers"
            )
        write(self, value)

    @staticmethod
    def _writer_of_family(value: Any) -> "Callable[[Writer, Any], None] | None":
        if isinstance(value, torch.nn.Parameter) and type(value) is torch.nn.Parameter:
            return Writer._parameter
        if type(value) is torch.Tensor:
            return Writer._tensor
        if isinstance(value, torch.Size):
            return lambda self, size: self._call("torch", "Size", (tuple(size),), size)
        if isinstance(value, torch.device):
            return Writer._device
        if isinstance(value, torch.dtype):
            return lambda self, dtype: self._global("torch", str(dtype).rpartition(".")[2])
        if arrays.is_known(value):
            return Writer._numpy
        if value is arrays.ARRAY:
            return lambda self, _: self._global("numpy", "ndarray")
        return None

    def _remember(self, value: Any) -> None:
        index = len(self._memo)
        self._memo[value if type(value) is str else id(value)] = (index, value)
        self._out += struct.pack("<BB", ord("q"), index) if index < 256 else struct.pack("<BI", ord("r"), index)

    def _recall(self, index: int) -> None:
        self._out += struct.pack("<BB", ord("h"), index) if index < 256 else struct.pack("<BI", ord("j"), index)

    def _int(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            self._out += struct.pack("<cB", b"K", value)
        elif 0 <= value < 1 << 16:
            self._out += struct.pack("<cH", b"M", value)
        elif -(1 << 31) <= value < 1 << 31:
            self._out += struct.pack("<ci", b"J", value)
        else:
            encoded = encode_long(value)
            if len(encoded) > 255:
                raise PicklingError(f"Can't save an integer of {8 * len(encoded)} bits")
            self._out += struct.pack("<cB", b"\x8a", len(encoded)) + encoded

    def _float(self, value: float) -> None:
        self._out += struct.pack(">cd", b"G", value)

    def _str(self, value: str) -> None:
        encoded = value.encode("utf-8", "surrogatepass")
        self._out += struct.pack("<cI", b"X", len(encoded)) + encoded
        self._remember(value)

    def _bytes(self, value: bytes) -> None:
        if value:
            self._call("_codecs", "encode", (value.decode("latin-1"), "latin1"), value)
        else:
            self._call("__builtin__", "bytes", (), value)

    def _bytearray(self, value: bytearray) -> None:
        self._call("__builtin__", "bytearray", (value.decode("latin-1"), "latin-1"), value)

    def _complex(self, value: complex) -> None:
        self._call("__builtin__", "complex", (value.real, value.imag), value)

    # ---- containers

    def _tuple(self, value: tuple) -> None:
        if not value:
            self._out += b")"
            return
        if len(value) > 3:
            self._out += b"("
        for item in value:
            self._write(item)
        if id(value) in self._memo:
            # An item of the tuple holds the tuple, which is written by now: drop the items and fetch it.
            self._out += b"1" if len(value) > 3 else b"0" * len(value)
            self._recall(self._memo[id(value)][0])
            return
        self._out += {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value), b"t")
        self._remember(value)

    def _list(self, value: list) -> None:
        self._out += b"]"
        self._remember(value)
        self._batches(value, b"e", lambda item: self._write(item))

    def _dict(self, value: dict) -> None:
        self._out += b"}"
        self._remember(value)
        self._items(value)

    def _ordered_dict(self, value: OrderedDict) -> None:
        self._call("collections", "OrderedDict", (), value)
        self._items(value)
        attributes = vars(value)
        if attributes.keys() - {"_metadata"}:
            raise PicklingError(f"Can't save an OrderedDict with the attributes {sorted(attributes)}")
        if attributes:
            self._write(attributes)
            self._out += b"b"

    def _defaultdict(self, value: defaultdict) -> None:
        factory = value.default_factory
        self._global("collections", "defaultdict")
        if factory is None:
            self._out += b")"
        elif factory in _FACTORIES:
            self._global("__builtin__", _FACTORIES[factory])
            self._out += b"\x85"
        elif factory in (OrderedDict, Counter):
            self._global("collections", factory.__name__)
            self._out += b"\x85"
        else:
            raise PicklingError(f"Can't save a defaultdict of {factory!r}: save dict(...) of it")
        self._out += b"R"
        self._remember(value)
        self._items(value)

    def _counter(self, value: Counter) -> None:
        self._call("collections", "Counter", (dict(value),), value)

    def _set(self, value: set) -> None:
        self._call("__builtin__", "set", (list(value),), value)

    def _frozenset(self, value: frozenset) -> None:
        self._call("__builtin__", "frozenset", (list(value),), value)

    def _items(self, mapping: dict) -> None:
        def write_item(item: tuple[Any, Any]) -> None:
            self._write(item[0])
            self._write(item[1])

        self._batches(mapping.items(), b"u", write_item)

    def _batches(self, items: Iterable[Any], close: bytes, write: Callable[[Any], None]) -> None:
        """Writes items between marks, a thousand at a time: readers hold a batch on their stack."""
        items = list(items)
        for start in range(0, len(items), _BATCH):
            self._out += b"("
            for item in items[start : start + _BATCH]:
                write(item)
            self._out += close

    # ---- globals and calls of them

    def _global(self, module: str, name: str) -> None:
        key = (module, name)
        if key in self._memo:
            self._recall(self._memo[key][0])
            return
        self._out += f"c{module}\n{name}\n".encode("ascii")
        index = len(self._memo)
        self._memo[key] = (index, None)
        self._out += struct.pack("<BB", ord("q"), index) if index < 256 else struct.pack("<BI", ord("r"), index)

    def _call(self, module: str, name: str, arguments: tuple, value: Any) -> None:
        """Writes ``value`` as a call, whose arguments exist for the call alone."""
        self._global(module, name)
        if len(arguments) > 3:
            self._out += b"("
        for argument in arguments:
            self._write(argument)
        self._out += {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(arguments), b"t")
        self._out += b"R"
        self._remember(value)

    def _device(self, value: torch.device) -> None:
        arguments = (value.type,) if value.index is None else (value.type, value.index)
        self._call("torch", "device", arguments, value)

    def _numpy(self, value: Any) -> None:
        (module, name), arguments, state = arrays.reduction(value)
        self._call(module, name, arguments, value)
        if state is not None:
            self._write(state)
            self._out += b"b"

    # ---- tensors

    def _tensor(self, value: torch.Tensor) -> None:
        attributes = vars(value)
        if attributes:
            self._global("torch._tensor", "_rebuild_from_type_v2")
            self._out += b"("
            self._global("torch._utils", self._rebuild_name(value))
            self._global("torch", "Tensor")
            self._tensor_arguments(value)
            self._write(dict(attributes))
            self._out += b"t"
        else:
            self._global("torch._utils", self._rebuild_name(value))
            self._tensor_arguments(value)
        self._out += b"R"
        self._remember(value)

    @staticmethod
    def _rebuild_name(value: torch.Tensor) -> str:
        return "_rebuild_tensor_v2" if _storage_name(value.dtype) else "_rebuild_tensor_v3"

    def _tensor_arguments(self, value: torch.Tensor) -> None:
        if getattr(value, "_backward_hooks", None):
            raise PicklingError("Can't save a tensor with hooks: they are functions. Remove them, or save x.detach()")
        self._out += b"("
        self._storage(value)
        self._write(int(value.storage_offset()))
        self._write(tuple(value.size()))
        self._write(tuple(value.stride()))
        self._write(bool(value.requires_grad))
        self._call("collections", "OrderedDict", (), object())
        if not _storage_name(value.dtype):
            self._write(value.dtype)
        bits = {name: True for name, set_ in (("conj", value.is_conj()), ("neg", value.is_neg())) if set_}
        if bits:
            self._write(bits)
        self._out += b"t"

    def _storage(self, tensor: torch.Tensor) -> None:
        """The persistent identifier of a tensor's storage: which record of the archive holds its bytes."""
        storage = tensor.untyped_storage()
        nbytes = storage.nbytes()
        name = _storage_name(tensor.dtype) or "UntypedStorage"
        identity = (storage.data_ptr(), nbytes) if nbytes else (-len(self.storages) - 1, 0)
        key, known_name = self._storage_keys.setdefault(identity, (str(len(self.storages)), name))
        if known_name != name:
            raise PicklingError("Cannot save multiple tensors or storages that view the same data as different types")
        if key not in self.storages:
            self.storages[key] = memory_of(tensor)
        location = "cpu" if tensor.device.type == "cpu" else str(tensor.device)
        self._out += b"("
        self._write("storage")
        self._global("torch.storage" if name == "UntypedStorage" else "torch", name)
        self._write(key)
        self._write(location)
        self._write(nbytes if name == "UntypedStorage" else nbytes // tensor.dtype.itemsize)
        self._out += b"tQ"

    def _parameter(self, value: torch.nn.Parameter) -> None:
        attributes = vars(value)
        self._global("torch._utils", "_rebuild_parameter_with_state" if attributes else "_rebuild_parameter")
        self._out += b"("
        self._write(value.data)
        self._write(bool(value.requires_grad))
        self._call("collections", "OrderedDict", (), object())
        if attributes:
            self._write(dict(attributes))
        self._out += b"tR"
        self._remember(value)


def _storage_name(dtype: torch.dtype) -> str | None:
    wanted = str(dtype).rpartition(".")[2]
    return next((name for name, of in STORAGE_NAMES.items() if of == wanted), None)


_WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    int: Writer._int,
    float: Writer._float,
    str: Writer._str,
    bytes: Writer._bytes,
    bytearray: Writer._bytearray,
    complex: Writer._complex,
    tuple: Writer._tuple,
    list: Writer._list,
    dict: Writer._dict,
    OrderedDict: Writer._ordered_dict,
    defaultdict: Writer._defaultdict,
    Counter: Writer._counter,
    set: Writer._set,
    frozenset: Writer._frozenset,
}

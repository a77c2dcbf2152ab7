"""Every global that a file may name, and what a call of it makes. There is no other way from a name to an object."""

import functools
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import rustorch as torch
from rustorch._serialization import arrays
from rustorch._serialization.errors import UnpicklingError
from rustorch._serialization.interpreter import check_key
from rustorch._serialization.storages import STORAGE_NAMES, StorageType, StoredElements, lay_out

__all__ = ["AllowedGlobals"]

_DTYPES = (
    *("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)
# What a defaultdict may make of a missing key.
_FACTORIES = (int, float, str, list, tuple, dict, set, OrderedDict, Counter)


# ---- calls of containers and of Python's own types


def _pairs(items: Any) -> list[tuple[Any, Any]]:
    pairs = list(items.items()) if isinstance(items, dict) else list(items)
    return [(check_key(key), value) for key, value in pairs]


def _ordered_dict(items: Any = ()) -> OrderedDict:
    return OrderedDict(_pairs(items))


def _counter(items: Any = ()) -> Counter:
    return Counter(dict(_pairs(items)))


def _defaultdict(factory: Any = None) -> defaultdict:
    if factory is not None and not any(factory is known for known in _FACTORIES):
        raise UnpicklingError(f"A defaultdict of {factory!r:.80} is not loaded")
    return defaultdict(factory)


def _set(items: Any = ()) -> set:
    return set(map(check_key, items))


def _frozenset(items: Any = ()) -> frozenset:
    return frozenset(map(check_key, items))


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"Bytes in the encoding {encoding!r:.80} are not loaded")
    return text.encode("latin-1")


def _bytearray(value: Any = b"", encoding: str | None = None) -> bytearray:
    # A number would allocate as many zeros.
    if encoding is not None:
        return bytearray(_encode(value, encoding))
    if type(value) is not bytes:
        raise UnpicklingError(f"A bytearray of a {type(value).__name__} is not loaded")
    return bytearray(value)


def _bytes() -> bytes:
    return b""


def _complex(real: float, imaginary: float = 0.0) -> complex:
    return complex(float(real), float(imaginary))


# ---- calls that make tensors


def _tensor_v2(
    storage: StoredElements,
    offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> torch.Tensor:
    if not isinstance(storage, StoredElements) or storage.type.dtype is None:
        raise UnpicklingError("The file is damaged: a tensor without a dtype")
    dtype = storage.type.dtype
    return _tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata)


def _tensor_v3(
    storage: StoredElements,
    offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: torch.dtype,
    metadata: Any = None,
) -> torch.Tensor:
    if not isinstance(dtype, torch.dtype):
        raise UnpicklingError("The file is damaged: a tensor's dtype is none")
    _refuse_hooks(backward_hooks)
    tensor = lay_out(storage, dtype, offset, size, stride)
    for bit in metadata or ():
        if bit not in ("conj", "neg"):
            raise UnpicklingError(f"A tensor with the metadata {bit!r:.80} is not loaded")
        if metadata[bit]:
            tensor = tensor.conj() if bit == "conj" else tensor._neg_view()
    return tensor.requires_grad_(True) if requires_grad else tensor


def _tensor_v1(storage: StoredElements, offset: int, size: tuple, stride: tuple) -> torch.Tensor:
    return _tensor_v2(storage, offset, size, stride, False, None)


def _parameter(data: torch.Tensor, requires_grad: bool, backward_hooks: Any) -> torch.nn.Parameter:
    _refuse_hooks(backward_hooks)
    if not isinstance(data, torch.Tensor):
        raise UnpicklingError("The file is damaged: a parameter of something that is no tensor")
    return torch.nn.Parameter(data, bool(requires_grad))


def _parameter_with_state(data: torch.Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    return _with_attributes(_parameter(data, requires_grad, backward_hooks), state)


def _from_type(function: Any, kind: Any, arguments: tuple, state: Any) -> torch.Tensor:
    makers: dict[int, Callable[..., torch.Tensor]] = {id(_Rebuild.v2): _tensor_v2, id(_Rebuild.v3): _tensor_v3}
    if id(function) not in makers or kind is not torch.Tensor:
        raise UnpicklingError(f"A tensor of the class {kind!r:.80} is not loaded: save a plain tensor")
    return _with_attributes(makers[id(function)](*arguments), state)


def _with_attributes(tensor: torch.Tensor, state: Any) -> torch.Tensor:
    for name, value in (state or {}).items():
        if not isinstance(name, str) or not name.isidentifier() or hasattr(type(tensor), name):
            raise UnpicklingError(f"A tensor's attribute {name!r:.80} is not loaded: its class has one of that name")
        setattr(tensor, name, value)
    return tensor


def _refuse_hooks(hooks: Any) -> None:
    if hooks:
        raise UnpicklingError("A tensor with hooks is not loaded: they are functions. Save it without them")


class _Rebuild:
    """What stands for PyTorch's functions that make tensors: names, which only the table below makes calls of."""

    v1, v2, v3, parameter, parameter_with_state, from_type = (object() for _ in range(6))


# ---- the table


@functools.cache
def _globals() -> dict[str, Any]:
    table: dict[str, Any] = {
        "builtins.set": set,
        "builtins.frozenset": frozenset,
        "builtins.bytearray": bytearray,
        "builtins.bytes": bytes,
        "builtins.complex": complex,
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "collections.defaultdict": defaultdict,
        "_codecs.encode": _encode,
        "torch.Size": torch.Size,
        "torch.device": torch.device,
        "torch.Tensor": torch.Tensor,
        "torch.nn.parameter.Parameter": torch.nn.Parameter,
        "torch._utils._rebuild_tensor": _Rebuild.v1,
        "torch._utils._rebuild_tensor_v2": _Rebuild.v2,
        "torch._utils._rebuild_tensor_v3": _Rebuild.v3,
        "torch._utils._rebuild_parameter": _Rebuild.parameter,
        "torch._utils._rebuild_parameter_with_state": _Rebuild.parameter_with_state,
        "torch._tensor._rebuild_from_type_v2": _Rebuild.from_type,
        "torch.UntypedStorage": StorageType(),
        "torch.storage.UntypedStorage": StorageType(),
    }
    table |= {f"builtins.{kind.__name__}": kind for kind in (int, float, str, list, tuple, dict)}
    table |= {f"torch.{name}": getattr(torch, name) for name in _DTYPES}
    for name, dtype in STORAGE_NAMES.items():
        table[f"torch.{name}"] = table[f"torch.cuda.{name}"] = StorageType(getattr(torch, dtype))
    return table | arrays.GLOBALS


@functools.cache
def _constructors() -> dict[int, Callable[..., Any]]:
    """By identity: a value out of a file need not be hashable, and none can pass for another."""
    table: list[tuple[Any, Callable[..., Any]]] = [
        (OrderedDict, _ordered_dict),
        (Counter, _counter),
        (defaultdict, _defaultdict),
        (set, _set),
        (frozenset, _frozenset),
        (bytearray, _bytearray),
        (bytes, _bytes),
        (complex, _complex),
        (_encode, _encode),
        (torch.Size, torch.Size),
        (torch.device, torch.device),
        (_Rebuild.v1, _tensor_v1),
        (_Rebuild.v2, _tensor_v2),
        (_Rebuild.v3, _tensor_v3),
        (_Rebuild.parameter, _parameter),
        (_Rebuild.parameter_with_state, _parameter_with_state),
        (_Rebuild.from_type, _from_type),
        *arrays.CONSTRUCTORS,
    ]
    return {id(known): make for known, make in table}


class AllowedGlobals:
    """The vocabulary of checkpoints. ``persistent_load`` says what a storage's identifier stands for."""

    def __init__(self, persistent_load: Callable[[Any], Any]) -> None:
        self.persistent = persistent_load

    def find(self, name: str) -> Any:
        if name.startswith("__builtin__."):  # Python 2's name, which protocol 2 keeps
            name = "builtins." + name.removeprefix("__builtin__.")
        if name not in _globals():
            raise UnpicklingError(
                f"Unsupported global: GLOBAL {name!s:.200} was not an allowed global by default. rustorch.load never "
                "imports or runs what a file names: it loads tensors, parameters, numbers, strings and containers of "
                "them. Load the file in the program that wrote it and save the state_dict() of its modules and "
                "optimizers, or the tensors themselves"
            )
        return _globals()[name]

    def construct(self, function: Any, arguments: tuple) -> Any:
        make = _constructors().get(id(function))
        if make is None:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {function!r:.80}")
        try:
            return make(*arguments)
        except NotImplementedError:
            raise
        except (TypeError, ValueError, RuntimeError, OverflowError, AttributeError, LookupError) as error:
            raise UnpicklingError(f"The file is damaged: a call's arguments are wrong ({error})") from error

    def build(self, instance: Any, state: Any) -> None:
        if type(instance) is OrderedDict:
            # A module's state_dict carries the versions of its parts so.
            if type(state) is not dict or not state.keys() <= {"_metadata"}:
                raise UnpicklingError(f"An OrderedDict with the attributes {state!r:.80} is not loaded")
            instance.__dict__.update(state)
        elif not arrays.build(instance, state):
            raise UnpicklingError(f"A {type(instance).__name__} with a state of its own is not loaded")

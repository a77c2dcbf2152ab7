"""rustorch: PyTorch's Python surface over a Rust core.

Example::

    >>> import rustorch as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
"""

import builtins as _builtins
import importlib as _importlib
import math as _math
from typing import Any as _Any

from rustorch import _C
from rustorch._C import *
from rustorch._einsum import einsum
from rustorch._settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    is_deterministic_algorithms_warn_only_enabled,
    set_default_device,
    set_default_tensor_type,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    use_deterministic_algorithms,
)
from rustorch._tensor_str import get_printoptions, set_printoptions
from rustorch._tensor_types import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from rustorch.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rustorch.functional import (  # type: ignore[no-redef]
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    chain_matmul,
    meshgrid,
    split,
    tensordot,
)
from rustorch.random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from rustorch.version import __version__

# ---- constants, and the second names of dtypes

inf = _math.inf
nan = _math.nan
pi = _math.pi
e = _math.e
newaxis = None

float = _C.float32
double = _C.float64
half = _C.float16
short = _C.int16
int = _C.int32
long = _C.int64
cfloat = _C.complex64
cdouble = _C.complex128


# ---- questions about objects


def is_tensor(obj: object, /) -> _builtins.bool:
    """Whether the object is a tensor."""
    return isinstance(obj, _C.Tensor)


def typename(obj: _Any, /) -> str:
    """A tensor's type (``torch.FloatTensor``), for other objects the full name of their class."""
    if isinstance(obj, _C.Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "") or ""
    return kind.__qualname__ if module in ("", "builtins", "__builtin__") else f"{module}.{kind.__qualname__}"


def compile(model: _Any = None, **_options: _Any) -> _Any:
    """Returns the function or module unchanged: work is always done eagerly.

    Example::

        >>> import rustorch as torch
        >>> @torch.compile
        ... def double(x):
        ...     return x * 2
        >>> double(3)
        6
    """
    return (lambda function: function) if model is None else model


# ---- parts that are imported when first used

_SUBPACKAGES = (
    "autograd",
    "backends",
    "cuda",
    "data",
    "functional",
    "nn",
    "optim",
    "random",
    "serialization",
    "testing",
    "types",
    "utils",
    "version",
)
_NOT_BUILT = (
    "accelerator",
    "amp",
    "distributed",
    "distributions",
    "export",
    "fft",
    "func",
    "futures",
    "fx",
    "hub",
    "jit",
    "library",
    "linalg",
    "masked",
    "mps",
    "mtia",
    "multiprocessing",
    "nested",
    "onnx",
    "overrides",
    "package",
    "profiler",
    "quantization",
    "signal",
    "sparse",
    "special",
    "xpu",
)
_LAZY = {"load": "serialization", "save": "serialization"}


class _NotBuilt(NotImplementedError, AttributeError):
    """A part of PyTorch that rustorch does not have: ``hasattr`` is False, and the message names it."""


def __getattr__(name: str) -> _Any:
    if name in _SUBPACKAGES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY:
        value = getattr(_importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    if name in _NOT_BUILT:
        raise _NotBuilt(f"rustorch.{name} is not built yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBPACKAGES, *_LAZY})

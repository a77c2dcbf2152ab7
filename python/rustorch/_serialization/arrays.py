"""numpy's scalars and arrays of plain numbers, as checkpoints carry them among their counters and best scores."""

import math
import re
import sys
from collections.abc import Callable
from typing import Any

from rustorch._serialization.errors import UnpicklingError

__all__ = ["ARRAY", "CONSTRUCTORS", "GLOBALS", "build", "is_known", "reduction"]

_NUMBERS = re.compile(r"[biufc]\d{1,2}|\?|[SU]\d{1,9}")


class _Name:
    """What stands for one of numpy's functions or classes."""


_SCALAR, _RECONSTRUCT, ARRAY, _DTYPE = (_Name() for _ in range(4))

GLOBALS: dict[str, Any] = {"numpy.dtype": _DTYPE, "numpy.ndarray": ARRAY}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    GLOBALS |= {f"{_module}.scalar": _SCALAR, f"{_module}._reconstruct": _RECONSTRUCT}


def _dtype(code: str, align: bool = False, copy: bool = True) -> Any:
    import numpy as np

    if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
        raise UnpicklingError(f"numpy's dtype {code!r:.80} is not loaded: only those of numbers and strings are")
    return np.dtype(code, align=False, copy=True)


def _scalar(dtype: Any, data: Any) -> Any:
    import numpy as np

    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise UnpicklingError("The file is damaged: a numpy scalar whose bytes do not fit its dtype")
    return np.frombuffer(data, dtype)[0]


def _reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    import numpy as np

    if kind is not ARRAY:
        raise UnpicklingError("A subclass of numpy's arrays is not loaded: save a plain array")
    return np.empty(0, np.int8)


CONSTRUCTORS: list[tuple[Any, Callable[..., Any]]] = [
    (_DTYPE, _dtype),
    (_SCALAR, _scalar),
    (_RECONSTRUCT, _reconstruct),
]


def build(instance: Any, state: Any) -> bool:
    """Gives a numpy dtype its byte order, an array its contents. False for anything else."""
    if "numpy" not in sys.modules:
        return False
    import numpy as np

    if isinstance(instance, np.dtype):
        if type(state) is not tuple or state[:1] != (3,) or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
            raise UnpicklingError("A structured dtype of numpy is not loaded")
        own_sizes = instance.__reduce__()[2][5:8]  # never the file's
        dtype: Any = instance
        dtype.__setstate__((3, state[1], None, None, None, *own_sizes))
        return True
    if type(instance) is np.ndarray:
        _fill(instance, state)
        return True
    return False


def _fill(array: Any, state: Any) -> None:
    import numpy as np

    _, shape, dtype, fortran, data = state
    sizes_fit = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not sizes_fit or not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, bytes):
        raise UnpicklingError("A numpy array of something other than numbers and strings is not loaded")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise UnpicklingError("The file is damaged: a numpy array whose bytes do not fit its shape")
    array.__setstate__((1, shape, dtype, bool(fortran), data))


def is_known(value: Any) -> bool:
    """One of numpy's scalars, arrays or dtypes, which can be saved if it is of plain numbers or strings."""
    if "numpy" not in sys.modules:
        return False
    import numpy as np

    if isinstance(value, np.dtype):
        return bool(_NUMBERS.fullmatch(value.str.lstrip("<>|=")))
    return (type(value) is np.ndarray or isinstance(value, np.generic)) and is_known(value.dtype)


def reduction(value: Any) -> tuple[tuple[str, str], tuple, Any]:
    """The global that makes a :func:`is_known` value, its arguments, and the state to give it or None."""
    import numpy as np

    _, arguments, *state = value.__reduce__()
    if isinstance(value, np.dtype):
        return ("numpy", "dtype"), arguments, state[0]
    if isinstance(value, np.generic):
        return ("numpy.core.multiarray", "scalar"), arguments, None
    return ("numpy.core.multiarray", "_reconstruct"), (ARRAY, (0,), b"b"), state[0]

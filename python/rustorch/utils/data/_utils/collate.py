"""Making one batch of many samples."""

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import rustorch

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]


def _like_mapping(sample: Any, values: dict[Any, Any]) -> Any:
    """A mapping of the sample's class with new values; a plain dict where the class cannot be made that way."""
    try:
        if isinstance(sample, MutableMapping):
            # A copy keeps what the class holds besides its items.
            result = copy.copy(sample)
            result.update(values)
            return result
        return type(sample)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _like_sequence(sample: Any, values: list[Any]) -> Any:
    """A sequence of the sample's class with new values; a plain list where the class cannot be made that way."""
    try:
        if isinstance(sample, MutableSequence):
            result = copy.copy(sample)
            for position, value in enumerate(values):
                result[position] = value
            return result
        return type(sample)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _holds_text_or_objects(array: Any) -> bool:
    return any(code in array.dtype.str for code in "SaUO")


def default_convert(data: Any) -> Any:
    """Makes tensors of the NumPy arrays in ``data``, however deep in mappings and sequences; the rest stays as it is.

    The loader uses it when ``batch_size=None``.

    Example::

        >>> import numpy as np
        >>> from rustorch.utils.data import default_convert
        >>> default_convert({"x": np.array([0, 1]), "name": "a"})
        {'x': tensor([0, 1]), 'name': 'a'}
    """
    kind = type(data)
    if isinstance(data, rustorch.Tensor):
        return data
    if kind.__module__ == "numpy" and kind.__name__ not in ("str_", "string_"):
        if kind.__name__ == "ndarray" and _holds_text_or_objects(data):
            return data
        return rustorch.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*(default_convert(item) for item in data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(item) for item in data])
    return data


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Makes one batch of samples of equal structure.

    ``collate_fn_map`` says for each class of leaves how a list of them becomes one; a class that is not in it is
    treated as the first of its keys that is a base class. Mappings and sequences are collated element by element.

    Raises:
        TypeError: a leaf of a class that nothing is known about.
        RuntimeError: sequences of different lengths.
    """
    sample = batch[0]
    kind = type(sample)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(sample, known):
                return function(batch, collate_fn_map=collate_fn_map)

    def column(samples: Any) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(sample, Mapping):
        return _like_mapping(sample, {key: column([other[key] for other in batch]) for key in sample})
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return kind(*(column(samples) for samples in zip(*batch, strict=False)))
    if isinstance(sample, Sequence):
        if any(len(other) != len(sample) for other in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [column(samples) for samples in zip(*batch, strict=True)]
        return columns if isinstance(sample, tuple) else _like_sequence(sample, columns)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stacks tensors of one shape."""
    return rustorch.stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stacks arrays; those of strings or objects are refused."""
    if _holds_text_or_objects(batch[0]):
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    first = batch[0]
    # Where element types differ, the promotion is PyTorch's and not NumPy's.
    plain = type(first) is sys.modules["numpy"].ndarray
    if not plain or any(array.shape != first.shape or array.dtype != first.dtype for array in batch):
        return collate([rustorch.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)
    # NumPy puts its own arrays together faster than they become tensors one by one.
    return rustorch.as_tensor(sys.modules["numpy"].stack(batch))


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Makes a vector of NumPy's numbers, of their dtype."""
    return rustorch.as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Makes a float64 vector."""
    return rustorch.tensor(batch, dtype=rustorch.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Makes an int64 vector (of bools: a bool one)."""
    return rustorch.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Leaves text and bytes as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    rustorch.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def _know_numpy() -> None:
    """Adds NumPy's classes to the map, in front of Python's numbers (``float64`` is a ``float``), once NumPy is there.

    A batch can hold NumPy's objects only if somebody imported NumPy, so it is never imported for this.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or numpy.ndarray in default_collate_fn_map:
        return
    known = dict(default_collate_fn_map)
    default_collate_fn_map.clear()
    default_collate_fn_map[rustorch.Tensor] = known.pop(rustorch.Tensor, collate_tensor_fn)
    default_collate_fn_map[numpy.ndarray] = collate_numpy_array_fn
    default_collate_fn_map[(numpy.bool_, numpy.number, numpy.object_)] = collate_numpy_scalar_fn
    default_collate_fn_map.update(known)


def default_collate(batch: Any) -> Any:
    """Makes one batch of samples: the loader's ``collate_fn`` where none is given.

    ========================  =======================================
    samples                   batch
    ========================  =======================================
    tensors, NumPy arrays     a tensor with a new first dimension
    ``int``, NumPy numbers    a tensor
    ``float``                 a float64 tensor
    ``str``, ``bytes``        the list of them
    mappings, named tuples    the same, of batches
    sequences                 a list (or the same class) of batches
    ========================  =======================================

    Raises:
        TypeError: samples of any other class.
        RuntimeError: sequences of different lengths, tensors of different shapes.

    Example::

        >>> from rustorch.utils.data import default_collate
        >>> default_collate([{"a": 0, "b": 1.5}, {"a": 100, "b": 2.5}])
        {'a': tensor([  0, 100]), 'b': tensor([1.5000, 2.5000], dtype=torch.float64)}
    """
    _know_numpy()
    return collate(batch, collate_fn_map=default_collate_fn_map)

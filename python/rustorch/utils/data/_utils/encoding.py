"""A batch as a skeleton and tensors: what the skeleton (a pickle) says about structure, the tensors hold as bytes.

The worker writes the tensors into shared memory; the trainer gets tensors over that memory, and puts the same batch
together from them without a copy. NumPy arrays travel as tensors too and come back as arrays over the same memory.
"""

import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

import cloudpickle

import rustorch
from rustorch import Tensor

# What stands in the skeleton for a tensor's bytes; they are taken in the order in which they were met.
_ELSEWHERE = bytearray(1)
# Skeletons of the commonest batches, made once: plain lists and tuples of tensors.
_SKELETONS: dict[tuple[type, int], bytes] = {}
_SHAPES: dict[bytes, tuple[type, int]] = {}


def tensor_at(tensor: Tensor) -> Tensor:
    """The tensor itself."""
    return tensor


def leaf_at(tensor: Tensor) -> Tensor:
    """The tensor, as a leaf that requires a gradient."""
    return tensor.requires_grad_()


def array_at(tensor: Tensor) -> Any:
    """The array over a tensor's memory."""
    return tensor.numpy()


def array_of_bytes_at(tensor: Tensor, dtype: Any, shape: tuple[int, ...]) -> Any:
    """The array of an element type that no tensor has."""
    return tensor.numpy().view(dtype).reshape(shape)


class _BatchPickler(cloudpickle.Pickler):
    """cloudpickle, with tensors and arrays put aside."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5, buffer_callback=lambda _: None)
        self.tensors: list[Tensor] = []

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor:
            return self._tensor(obj)
        numpy = sys.modules.get("numpy")
        if numpy is not None and type(obj) is numpy.ndarray and obj.dtype.kind != "O" and not obj.dtype.hasobject:
            return self._array(obj)
        return super().reducer_override(obj)

    def _aside(self, tensor: Tensor) -> pickle.PickleBuffer:
        self.tensors.append(tensor)
        return pickle.PickleBuffer(_ELSEWHERE)

    def _tensor(self, tensor: Tensor) -> Any:
        if tensor.requires_grad and not tensor.is_leaf:
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
                "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor "
                "before serializing (e.g., putting it on the queue)."
            )
        place = leaf_at if tensor.requires_grad else tensor_at
        return place, (self._aside(tensor.detach()),)

    def _array(self, array: Any) -> Any:
        import numpy

        plain = numpy.array(array, order="C", ndmin=1) if not array.flags.c_contiguous else array
        try:
            return array_at, (self._aside(rustorch.from_numpy(plain)),)
        except TypeError:  # an element type without a tensor
            flat = rustorch.from_numpy(plain.reshape(-1).view(numpy.uint8))
            return array_of_bytes_at, (self._aside(flat), array.dtype, array.shape)


def encode(batch: Any) -> tuple[bytes, Sequence[Tensor]]:
    """The skeleton of a batch and its tensors."""
    kind = type(batch)
    if kind is Tensor:
        if not batch.requires_grad:
            return _skeleton(Tensor, 1), (batch,)
    elif (kind is list or kind is tuple) and all(type(part) is Tensor and not part.requires_grad for part in batch):
        return _skeleton(kind, len(batch)), batch
    stream = io.BytesIO()
    pickler = _BatchPickler(stream)
    pickler.dump(batch)
    return stream.getvalue(), pickler.tensors


def _skeleton(kind: type, count: int) -> bytes:
    known = _SKELETONS.get((kind, count))
    if known is None:
        known = _SKELETONS[kind, count] = b"\x00" + f"{kind.__name__} {count}".encode()
        _SHAPES[known] = (kind, count)
    return known


def decode(skeleton: bytes, tensors: Sequence[Tensor]) -> Any:
    """The batch of a skeleton, over the memory of its tensors."""
    if skeleton[:1] != b"\x00":
        return pickle.loads(skeleton, buffers=tensors)  # type: ignore[arg-type]
    kind, count = _SHAPES.get(skeleton) or _shape(skeleton)
    if len(tensors) != count:
        raise RuntimeError(f"a batch of {count} tensors came with {len(tensors)}")
    if kind is Tensor:
        return tensors[0]
    return tensors if type(tensors) is kind else kind(tensors)


def _shape(skeleton: bytes) -> tuple[type, int]:
    name, count = skeleton[1:].decode().split()
    shape = _SHAPES[skeleton] = ({"Tensor": Tensor, "list": list, "tuple": tuple}[name], int(count))
    return shape

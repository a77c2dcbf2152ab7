"""The skeletons of batches that are more than a list of tensors."""

import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

import cloudpickle

import rustorch
from rustorch import Tensor
from rustorch.utils.data._utils.encoding import array_at, array_of_bytes_at, leaf_at, tensor_at

# What stands in the skeleton for a tensor's bytes; they are taken in the order in which they were met.
_ELSEWHERE = bytearray(1)


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


def pickled(batch: Any) -> tuple[bytes, Sequence[Tensor]]:
    """The pickle of a batch, and the tensors that were left out of it, in the order in which they were met."""
    stream = io.BytesIO()
    pickler = _BatchPickler(stream)
    pickler.dump(batch)
    return stream.getvalue(), pickler.tensors

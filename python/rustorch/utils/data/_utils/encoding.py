"""A batch as a skeleton and tensors: what the skeleton (a pickle) says about structure, the tensors hold as bytes.

The worker writes the tensors into shared memory; the trainer gets tensors over that memory, and puts the same batch
together from them without a copy. NumPy arrays travel as tensors too and come back as arrays over the same memory.
"""

import pickle
from collections.abc import Sequence
from typing import Any

from rustorch import Tensor

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


def encode(batch: Any) -> tuple[bytes, Sequence[Tensor]]:
    """The skeleton of a batch and its tensors."""
    kind = type(batch)
    if kind is Tensor:
        if not batch.requires_grad:
            return _skeleton(Tensor, 1), (batch,)
    elif (kind is list or kind is tuple) and all(type(part) is Tensor and not part.requires_grad for part in batch):
        return _skeleton(kind, len(batch)), batch
    # Only now: cloudpickle is a tenth of what a worker imports, and most batches do without.
    from rustorch.utils.data._utils.batch_pickler import pickled

    return pickled(batch)


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

"""Operations made of other operations: broadcasting, grids, blocks and contractions over named dimensions."""

import warnings
from collections.abc import Sequence
from typing import Any

from rustorch import _C
from rustorch._C import Size, Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "chain_matmul",
    "meshgrid",
    "split",
    "tensordot",
]


def broadcast_shapes(*shapes: int | Sequence[int]) -> Size:
    """The shape that tensors of the given shapes broadcast to.

    Raises:
        RuntimeError: they do not.
        ValueError: a size is negative.

    Example::

        >>> import rustorch as torch
        >>> torch.broadcast_shapes((2, 1), (3,))
        torch.Size([2, 3])
    """
    sizes = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max(map(len, sizes), default=0)
    for position, shape in enumerate(sizes):
        for dim in range(-1, -len(shape) - 1, -1):
            size = shape[dim]
            if size < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if size == 1 or size == result[dim]:
                continue
            if result[dim] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {size} at {dim}! Mismatching argument at index "
                    f"{position} had {shape}; but expected shape should be broadcastable to {result}"
                )
            result[dim] = size
    return Size(result)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of the tensors, all of the shape they broadcast to.

    Example::

        >>> import rustorch as torch
        >>> a, b = torch.broadcast_tensors(torch.arange(2).view(2, 1), torch.zeros(3))
        >>> a.shape, b.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    shape: list[int] = []
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected Tensor as element {position} in argument 0, but got {type(tensor).__name__}")
        shape = _broadcast_pair(shape, list(tensor.shape))
    return tuple(tensor.expand(shape) for tensor in tensors)


def _broadcast_pair(first: list[int], second: list[int]) -> list[int]:
    rank = max(len(first), len(second))
    padded = [1] * (rank - len(first)) + first, [1] * (rank - len(second)) + second
    for dim in range(rank - 1, -1, -1):
        a, b = padded[0][dim], padded[1][dim]
        if a != b and 1 not in (a, b):
            raise RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dim}"
            )
    return [b if a == 1 else a for a, b in zip(*padded, strict=True)]


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """Applies to one tensor, or to each of several (or of one list of them), giving a tuple."""
    if len(tensors) == 1:
        if isinstance(tensors[0], Tensor):
            return function(tensors[0])
        tensors = tuple(tensors[0])
    return tuple(function(tensor) for tensor in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """A view with at least one dimension; several tensors (or a list) give a tuple."""
    return _each(lambda t: t.reshape(1) if t.dim() == 0 else t, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """A view with at least two dimensions, new ones in front; several tensors (or a list) give a tuple."""
    return _each(lambda t: t.reshape(1, 1) if t.dim() == 0 else t.unsqueeze(0) if t.dim() == 1 else t, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """A view with at least three dimensions: ``(n)`` becomes ``(1, n, 1)``, ``(m, n)`` becomes ``(m, n, 1)``."""

    def view(t: Tensor) -> Tensor:
        if t.dim() == 0:
            return t.reshape(1, 1, 1)
        if t.dim() == 1:
            return t.unsqueeze(0).unsqueeze(-1)
        return t.unsqueeze(-1) if t.dim() == 2 else t

    return _each(view, tensors)


def split(tensor: Tensor, split_size_or_sections: int | list[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along ``dim``: of one length (the last may be shorter), or of the given lengths."""
    parts: Any = tensor.split(split_size_or_sections, dim)
    return parts


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid: for each vector its values along its own dimension, repeated along the others'.

    ``indexing="xy"`` swaps the first two dimensions, as graphics have it; ``"ij"`` is meant where nothing is said.

    Example::

        >>> import rustorch as torch
        >>> torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[1]
        tensor([[0, 1, 2],
                [0, 1, 2]])
    """
    vectors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    if not vectors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for vector in vectors:
        if vector.dim() > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {vector}")
        if vector.dtype != vectors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if vector.device != vectors[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors = [vectors[1], vectors[0], *vectors[2:]]
    shape = [vector.numel() for vector in vectors]
    grids = []
    for dim, vector in enumerate(vectors):
        alone = [1] * len(shape)
        alone[dim] = shape[dim]
        grids.append(vector.view(alone).expand(shape))
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of the vectors' elements, one a row, the last one varying fastest.

    Example::

        >>> import rustorch as torch
        >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3]))
        tensor([[1, 3],
                [2, 3]])
    """
    for tensor in tensors:
        if tensor.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([grid.flatten() for grid in meshgrid(*tensors, indexing="ij")], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones (vectors are rows) along its diagonal, zero elsewhere."""
    for position, tensor in enumerate(tensors):
        if tensor.dim() > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {position} has {tensor.dim()} dimensions"
            )
    if not tensors:
        return _C.empty(1, 0)
    blocks = [atleast_2d(tensor) for tensor in tensors]
    dtype = blocks[0].dtype
    for block in blocks:
        dtype = _C.promote_types(dtype, block.dtype)
    width, before, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        height, columns = block.shape
        left = _C.zeros(height, before, dtype=dtype, device=block.device)
        right = _C.zeros(height, width - before - columns, dtype=dtype, device=block.device)
        rows.append(_C.cat([left, block.to(dtype), right], 1))
        before += columns
    return _C.cat(rows, 0)


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, in the order of multiplication that costs least."""
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. "
        "Use torch.linalg.multi_dot instead, which accepts a list of two or more tensors rather than multiple "
        "parameters.",
        stacklevel=2,
    )
    given = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], list | tuple) else matrices
    chain = list(given)
    if not chain:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for position, matrix in enumerate(chain):
        if matrix.dim() != 2:
            raise RuntimeError(f"Tensor {position} in argument 0 must be 2D")
    result = _product(chain, _cheapest_splits([*(m.shape[0] for m in chain), chain[-1].shape[1]]), 0, len(chain) - 1)
    return result if out is None else out.resize_(result.shape).copy_(result)


def _cheapest_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where each run of matrices is best split; matrix ``i`` has ``sizes[i]`` rows and ``sizes[i + 1]`` columns."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            choices = {
                at: cost[first, at] + cost[at + 1, last] + sizes[first] * sizes[at + 1] * sizes[last + 1]
                for at in range(first, last)
            }
            splits[first, last] = min(choices, key=lambda at: choices[at])
            cost[first, last] = choices[splits[first, last]]
    return splits


def _product(chain: list[Tensor], splits: dict[tuple[int, int], int], first: int, last: int) -> Tensor:
    if first == last:
        return chain[first]
    at = splits[first, last]
    return _C.mm(_product(chain, splits, first, at), _product(chain, splits, at + 1, last))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Contracts dimensions of two tensors: the last ``dims`` of ``a`` with the first of ``b``, or those of two lists.

    Example::

        >>> import rustorch as torch
        >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
        torch.Size([2, 5])
    """
    contracted_a, contracted_b = _contracted_dims(a, b, dims)
    if len(contracted_a) != len(contracted_b):
        raise RuntimeError("both dimension lists should have same length")
    for in_a, in_b in zip(contracted_a, contracted_b, strict=True):
        size_a, size_b = a.size(in_a), b.size(in_b)
        if size_a != size_b and 1 not in (size_a, size_b):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {size_a} in dim {in_a} "
                f"and second has size {size_b} in dim {in_b}"
            )
    a, b = _same_extent(a, contracted_a, b, contracted_b), _same_extent(b, contracted_b, a, contracted_a)
    inner_a = [dim % a.dim() for dim in contracted_a]
    inner_b = [dim % b.dim() for dim in contracted_b]
    outer_a = [dim for dim in range(a.dim()) if dim not in inner_a]
    outer_b = [dim for dim in range(b.dim()) if dim not in inner_b]
    extent = 1
    for dim in inner_a:
        extent *= a.shape[dim]
    left = a.permute(outer_a + inner_a).reshape(_numel(a, outer_a), extent)
    right = b.permute(inner_b + outer_b).reshape(extent, _numel(b, outer_b))
    result = _C.mm(left, right).reshape([a.shape[dim] for dim in outer_a] + [b.shape[dim] for dim in outer_b])
    return result if out is None else out.resize_(result.shape).copy_(result)


def _numel(tensor: Tensor, dims: list[int]) -> int:
    """How many elements a block over these dimensions has."""
    count = 1
    for dim in dims:
        count *= tensor.shape[dim]
    return count


def _contracted_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(-dims, 0)), list(range(dims))
    if not isinstance(dims, list | tuple) or len(dims) != 2:
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, "
            f"but got dims={dims}"
        )
    first, second = ([dim] if isinstance(dim, int) else list(dim) for dim in dims)
    return first, second


def _same_extent(tensor: Tensor, dims: list[int], other: Tensor, other_dims: list[int]) -> Tensor:
    """A contracted dimension whose partner has size one is summed away to size one."""
    for dim, other_dim in zip(dims, other_dims, strict=True):
        if other.shape[other_dim] == 1 and tensor.shape[dim] != 1:
            tensor = tensor.sum(dim, keepdim=True)
    return tensor

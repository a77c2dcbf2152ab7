"""Linear maps and convolutions: the native operations under their functional names."""

from __future__ import annotations

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.distance import vector_norm
from rustorch.nn.functional.native import native, prefer_native

linear = native("linear")
conv1d = native("conv1d")
conv2d = native("conv2d")
conv3d = native("conv3d")
conv_transpose1d = native("conv_transpose1d")
conv_transpose2d = native("conv_transpose2d")
conv_transpose3d = native("conv_transpose3d")
conv_tbc = native("conv_tbc")


@prefer_native
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y_k = x1^T A_k x2 + b_k``.

    Shapes: ``input1`` (*, in1), ``input2`` (*, in2), ``weight`` (out, in1, in2), ``bias`` (out), result (*, out).
    """
    if input1.dim() != input2.dim():
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}")
    for position in range(input1.dim() - 1):
        if input1.size(position) != input2.size(position):
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {position}: got {input1.size(position)} and "
                f"{input2.size(position)}"
            )
    for name, index, input in (("input1", 1, input1), ("input2", 2, input2)):
        if input.size(-1) != weight.size(index):
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {input.size(-1)} but expected "
                f"{weight.size(index)}"
            )
    if bias is not None and bias.size(0) != weight.size(0):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.size(0)} but expected {weight.size(0)}"
        )
    outputs, left, right = weight.shape
    flat1, flat2 = input1.reshape((-1, left)), input2.reshape((-1, right))
    # (n, in1) @ (in1, out * in2) gives, for each sample, one row to multiply with input2 for each output.
    mixed = flat1.matmul(weight.permute((1, 0, 2)).reshape((left, outputs * right))).reshape((-1, outputs, right))
    result = (mixed * flat2.unsqueeze(1)).sum(-1).reshape([*input1.shape[:-1], outputs])
    return result if bias is None else result + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` (num, dim) that the integers of ``input`` (*) name: (*, dim).

    ``padding_idx`` names the row that gets no gradient; ``max_norm`` shortens, in place, the rows that are used.
    """
    if padding_idx is not None:
        if padding_idx > 0:
            if padding_idx >= weight.size(0):
                raise AssertionError("Padding_idx must be within num_embeddings")
        elif padding_idx < 0:
            if padding_idx < -weight.size(0):
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx += weight.size(0)
    else:
        padding_idx = -1
    if max_norm is not None:
        input = input.contiguous()
        renormalize(weight, input, max_norm, norm_type)
    return _embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def renormalize(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Shorten in place the rows of ``weight`` named by ``indices`` whose norm exceeds ``max_norm``."""
    with rustorch.no_grad():
        used = rustorch.unique(indices)
        rows = weight[used]
        norms = vector_norm(rows, norm_type, 1, True)
        weight[used] = rustorch.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)


_embedding = native("embedding")


@prefer_native
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers (*) as rows of zeros with a single one (*, num_classes); without ``num_classes`` the largest value
    decides.

    >>> import rustorch as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype != rustorch.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype!s}.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return rustorch.empty([*tensor.shape, num_classes], dtype=rustorch.int64)
    if int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = int(tensor.max())
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif num_classes <= largest:
        raise RuntimeError("Class values must be smaller than num_classes.")
    result = rustorch.zeros([*tensor.shape, num_classes], dtype=rustorch.int64, device=tensor.device)
    return result.scatter_(-1, tensor.unsqueeze(-1), 1)

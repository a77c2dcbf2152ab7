"""Distances between vectors."""

from __future__ import annotations

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.native import native, prefer_native

pdist = native("pdist")
vector_norm = native("linalg_vector_norm")


@prefer_native
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The ``p``-norm of ``x1 - x2 + eps`` along the last dimension, inputs broadcast."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@prefer_native
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``; norms are held above ``eps``."""
    if not (x1.is_floating_point() and x2.is_floating_point()):
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {rustorch.result_type(x1, x2)}"
        )
    unit1 = x1 / vector_norm(x1, 2, dim, True).clamp_min(eps)
    unit2 = x2 / vector_norm(x2, 2, dim, True).clamp_min(eps)
    return (unit1 * unit2).sum(dim)

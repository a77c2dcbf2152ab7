"""Attention."""

from __future__ import annotations

import math

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.activation import softmax
from rustorch.nn.functional.dropout import dropout
from rustorch.nn.functional.native import prefer_native


@prefer_native
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(Q K^T * scale + mask) V``.

    Shapes: ``query`` (*, L, E), ``key`` (*, S, E), ``value`` (*, S, Ev), result (*, L, Ev). A bool mask keeps where it
    is True, a float mask is added. ``enable_gqa`` lets several heads of the query share one of key and value.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    scores = query.matmul(key.transpose(-2, -1)) * scale
    if is_causal:
        attn_mask = rustorch.ones((query.size(-2), key.size(-2)), dtype=rustorch.bool, device=query.device).tril()
    if attn_mask is not None:
        scores = (
            scores.masked_fill(attn_mask.logical_not(), -math.inf)
            if attn_mask.dtype == rustorch.bool
            else scores + attn_mask
        )
    weights = softmax(scores, -1)
    return dropout(weights, dropout_p, training=dropout_p > 0).matmul(value)

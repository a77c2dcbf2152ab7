"""Loss functions. ``reduction`` is ``"mean"``, ``"sum"`` or ``"none"``; ``size_average`` and ``reduce`` are its old
forms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.nn.functional.activation import logsigmoid
from rustorch.nn.functional.distance import pairwise_distance
from rustorch.nn.functional.native import native
from rustorch.nn.functional.reduction import chosen, get_enum, reduced

_cross_entropy, _nll_loss, _mse_loss = native("cross_entropy_loss"), native("nll_loss_nd"), native("mse_loss")
_ctc_loss = native("ctc_loss")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`nll_loss` of `log_softmax`, in one step.

    Shapes: ``input`` (C), (N, C) or (N, C, d1, ...); ``target`` class numbers (), (N) or (N, d1, ...), or probabilities
    of the input's shape.

    >>> import rustorch as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = chosen(reduction, size_average, reduce)
    return _cross_entropy(input, target, weight, get_enum(reduction), ignore_index, label_smoothing)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the target class.

    Shapes: ``input`` (C), (N, C) or (N, C, d1, ...); ``target`` (), (N) or (N, d1, ...). ``weight`` (C) scales the
    classes, and the mean divides by the weights that were used; targets equal to ``ignore_index`` count for nothing.
    """
    return _nll_loss(input, target, weight, get_enum(chosen(reduction, size_average, reduce)), ignore_index)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of a linear map: ``input`` (N, in) or (in), ``linear_weight`` (C, in) or (C, d1, ..., in)."""
    if input.dim() < 1 or input.dim() > 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    features, batch = input.shape[-1], input.shape[:-1]
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {features} and "
            f"{linear_weight.shape[-1]}, respectively"
        )
    rows = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != rows:
        raise RuntimeError(f"expected linear_bias shape {rows}, got {tuple(linear_bias.shape)}")
    if len(rows) > 1 and not batch:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*batch, *rows)
    if ignore_index is not None and tuple(target.shape) == shape:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if options is not None:
        raise NotImplementedError("rustorch.nn.functional.linear_cross_entropy: options is not implemented")
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = _linear(input, linear_weight.reshape((-1, features)), bias).reshape(shape)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        scores, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


_linear = native("linear")


# -- distances between input and target ------------------------------------------------------------------------------


def _same_size(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both broadcast to one shape, with a warning where they differed."""
    if target.shape == input.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This will "
        "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    shape = rustorch.broadcast_shapes(input.shape, target.shape)
    return input.expand(shape), target.expand(shape)


def _weighted(
    losses: Tensor, input: Tensor, weight: Tensor, reduction: str, mean: Callable[[Tensor], Tensor]
) -> Tensor:
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return mean(losses)
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference; with ``weight`` the weighted mean.

    >>> import rustorch as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
    tensor(2.)
    """
    reduction = chosen(reduction, size_average, reduce)
    left, right = _same_size(input, target)
    if weight is not None:
        return _weighted((left - right) ** 2, input, weight, reduction, lambda losses: losses.sum() / weight.sum())
    return _mse_loss(left, right, get_enum(reduction))


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute difference; with ``weight`` the weighted mean."""
    reduction = chosen(reduction, size_average, reduce)
    left, right = _same_size(input, target)
    losses = (left - right).abs()
    if weight is not None:
        return _weighted(losses, input, weight, reduction, lambda losses: losses.sum() / weight.sum())
    return reduced(losses, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Half the squared difference over ``beta`` below ``beta``, the absolute difference less ``beta / 2`` above."""
    reduction = chosen(reduction, size_average, reduce)
    left, right = _same_size(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    distance = (left - right).abs()
    if beta == 0:
        return reduced(distance, reduction)
    return reduced(rustorch.where(distance < beta, 0.5 * distance * distance / beta, distance - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the squared difference up to ``delta``, ``delta`` times the absolute difference less ``delta / 2`` above."""
    left, right = _same_size(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    distance = (left - right).abs()
    losses = rustorch.where(distance <= delta, 0.5 * distance * distance, delta * (distance - 0.5 * delta))
    if weight is not None:
        return _weighted(losses, input, weight, reduction, lambda losses: losses.mean())
    return reduced(losses, reduction)


# -- probabilities ---------------------------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(t log p + (1 - t) log(1 - p))`` for probabilities ``input``; logarithms are held above -100."""
    reduction = chosen(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    if input.numel() and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    losses = -(target * input.log().clamp(min=-100) + (1 - target) * (-input).log1p().clamp(min=-100))
    if weight is not None:
        losses = losses * weight.expand(rustorch.broadcast_shapes(target.size(), weight.size()))
    return reduced(losses, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of ``sigmoid(input)``, without overflow; ``pos_weight`` scales the positive targets'
    part."""
    reduction = chosen(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    if pos_weight is None:
        losses = (1 - target) * input - logsigmoid(input)
    else:
        losses = (1 - target) * input - ((pos_weight - 1) * target + 1) * logsigmoid(input)
    return reduced(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``t (log t - x)`` for log-probabilities ``input``; ``reduction="batchmean"`` divides the sum by the batch
    size."""
    if size_average is not None or reduce is not None:
        reduction = chosen(reduction, size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' "
            "divides only by the batch size, and aligns with the KL div math definition.'mean' will be changed to "
            "behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    losses = target.exp() * (target - input) if log_target else rustorch.xlogy(target, target) - target * input
    if reduction != "batchmean":
        return reduced(losses, reduction)
    return losses.sum() / input.size(0) if input.dim() else losses.sum()


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(x) - t x`` for the log of a Poisson rate, ``x - t log(x + eps)`` for the rate; ``full`` adds Stirling's
    term."""
    reduction = chosen(reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not a valid value for reduction")
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """``(log var + (x - t)^2 / var) / 2``; ``full`` adds the constant. ``var`` is held above ``eps``."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * rustorch.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif input.dim() != var.dim() or [own for x, own in zip(input.size(), var.size(), strict=True) if x != own] != [
            1
        ]:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with rustorch.no_grad():
        var.clamp_(min=eps)
    losses = 0.5 * (var.log() + (input - target) ** 2 / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification: minus the log-probability of all alignments of (T, N, C) with the
    targets."""
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, get_enum(reduction), zero_infinity)


# -- margins ---------------------------------------------------------------------------------------------------------


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -t (x1 - x2) + margin)`` with targets 1 and -1."""
    reduction = chosen(reduction, size_average, reduce)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` for targets 1, ``max(0, margin - x)`` for targets -1."""
    zeros = rustorch.zeros_like(input)
    apart = rustorch.where(target != 1, (margin - input).clamp_min(0), zeros)
    together = rustorch.where(target != -1, input, zeros)
    return reduced(apart + together, chosen(reduction, size_average, reduce))


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-t x))`` with targets 1 and -1."""
    reduction = chosen(reduction, size_average, reduce)
    return reduced((-target * input).exp().log1p(), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes (last dimension) of binary cross entropy of the logits ``input``."""
    reduction = chosen(reduction, size_average, reduce)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return reduced(losses.sum(-1) / input.size(-1), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum_i max(0, margin - x_t + x_i)^p / C`` over the classes other than the target; ``input`` (N, C) or (C)."""
    reduction = chosen(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    if input.dim() > 2 or (input.numel() == 0 and input.dim() == 2 and input.size(1) == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    classes = input.reshape((-1, input.size(-1) if input.dim() else 1))
    if target.dim() > 1 or target.numel() != classes.size(0):
        raise RuntimeError(f"inconsistent target size, expected {classes.size(0)} but got {list(target.shape)}")
    if weight is not None and weight.numel() != classes.size(1):
        raise RuntimeError(f"inconsistent weight size, expected {classes.size(1)} but got {list(weight.shape)}")
    index = target.reshape((-1, 1))
    if index.numel() and not bool(((index >= 0) & (index < classes.size(1))).all()):
        raise RuntimeError("multi_margin_loss: target out of range")
    losses = (margin - classes.gather(1, index) + classes).clamp_min(0) ** p
    if weight is not None:
        losses = losses * weight[index]
    others = rustorch.ones_like(classes).scatter_(1, index, 0.0)
    losses = (losses * others).sum(1) / classes.size(1)
    return reduced(losses if target.dim() else losses.squeeze(0), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum_ij max(0, 1 - (x_tj - x_i)) / C`` over target classes ``tj`` (those before the first -1) and other classes
    ``i``."""
    reduction = chosen(reduction, size_average, reduce)
    if input.dim() > 2 or target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    scores, labels = (
        input.reshape((-1, input.size(-1) if input.dim() else 1)),
        target.reshape((-1, input.size(-1) if input.dim() else 1)),
    )
    count = scores.size(1)
    positions = rustorch.arange(count, device=labels.device)
    listed = positions < rustorch.where(labels < 0, positions, count).amin(1, keepdim=True)
    if bool((labels >= count).any()):
        raise RuntimeError("multilabel_margin_loss: target is out of range")
    places = rustorch.where(listed, labels, 0)
    # A class is a target when any listed place names it.
    is_target = (
        rustorch.zeros(scores.shape, dtype=rustorch.int64).scatter_add_(1, places, listed.to(rustorch.int64)) > 0
    )
    margins = (1 - scores.gather(1, places).unsqueeze(2) + scores.unsqueeze(1)).clamp_min(0)
    counted = listed.unsqueeze(2) & ~is_target.unsqueeze(1)
    losses = (margins * counted).sum((1, 2)) / count
    return reduced(losses if input.dim() == 2 else losses.squeeze(0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos`` for targets 1, ``max(0, cos - margin)`` for targets -1; inputs (N, D) or (D)."""
    reduction = chosen(reduction, size_average, reduce)
    if target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.size() != input2.size() and input1.dim() != input2.dim():
        raise RuntimeError(
            f"1D target tensor expects 2D input tensors, but found inputs with sizes {list(input1.shape)} and "
            f"{list(input2.shape)}."
        )
    expected = target.dim() + 1
    if input1.dim() != expected or input2.dim() != expected:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {expected}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    epsilon = 1e-12
    products = (input1 * input2).sum(-1)
    cosine = products / ((input1 * input1).sum(-1) + epsilon).mul((input2 * input2).sum(-1) + epsilon).sqrt()
    zeros = rustorch.zeros_like(cosine)
    losses = rustorch.where(target == 1, 1 - cosine, zeros) + rustorch.where(
        target == -1, (cosine - margin).clamp_min(0), zeros
    )
    return reduced(losses, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, |a - p| - |a - n| + margin)`` in the ``p``-norm; ``swap`` takes the nearer of ``a`` and ``p`` to
    ``n``."""
    reduction = chosen(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = anchor.dim(), positive.dim(), negative.dim()
    if len(set(dims)) != 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = rustorch.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp_min(0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of the caller's."""
    distance = pairwise_distance if distance_function is None else distance_function
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = anchor.dim(), positive.dim(), negative.dim()
    if len(set(dims)) != 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = rustorch.minimum(far, distance(positive, negative))
    return reduced(rustorch.clamp_min(margin + near - far, 0), reduction)

"""How losses are reduced: the names, their numbers in native calls, and the old ``size_average`` and ``reduce``
flags."""

from __future__ import annotations

import warnings

from rustorch._C import Tensor

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of a reduction in native calls."""
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=2,
        )
    number = _NUMBERS.get(reduction)
    if number is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return number


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the flags of old meant."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    reduction = ("mean" if size_average else "sum") if reduce else "none"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    return reduction


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The number of the reduction that the flags of old meant."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))


def chosen(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """``reduction``, unless one of the flags of old is given."""
    if size_average is None and reduce is None:
        return reduction
    return legacy_get_string(size_average, reduce)


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """A tensor of losses reduced by name."""
    number = get_enum(reduction)
    return losses if number == 0 else losses.mean() if number == 1 else losses.sum()

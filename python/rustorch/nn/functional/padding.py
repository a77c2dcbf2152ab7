"""Padding in its four modes."""

from __future__ import annotations

from collections.abc import Sequence

import rustorch
from rustorch._C import Tensor


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Extend the last dimensions: ``pad`` holds (before, after) for the last dimension, then for the one before it, and
    so on.

    ``mode``: ``constant`` with ``value``, ``reflect``, ``replicate`` or ``circular``. Negative numbers crop (constant
    mode only, and circular up to the size).

    >>> import rustorch as torch
    >>> torch.nn.functional.pad(torch.ones(1, 2), (1, 0))
    tensor([[0., 1., 1.]])
    """
    widths = [int(width) for width in pad]
    if len(widths) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(widths) > 2 * input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(widths)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return _constant(input, widths, 0.0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    dims = len(widths) // 2
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if input.dim() not in (dims + 1, dims + 2) or dims > 3:
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    for number in range(dims):
        before, after = widths[2 * number : 2 * number + 2]
        dim = input.dim() - 1 - number
        if before or after:
            input = input.index_select(dim, _sources(input, dim, before, after, mode))
    return input


def _constant(input: Tensor, widths: Sequence[int], value: float) -> Tensor:
    shape = list(input.shape)
    kept = input
    places = []
    for number in range(len(widths) // 2):
        before, after = widths[2 * number : 2 * number + 2]
        dim = input.dim() - 1 - number
        size = shape[dim] + before + after
        if size < 0:
            raise RuntimeError(
                f"The input size {input.size(dim)}, plus negative padding {before} and {after} resulted in a negative "
                f"output size, which is invalid. Check dimension {dim} of your input."
            )
        # Crop first; what is left is written into a filled tensor.
        kept = kept.narrow(dim, max(0, -before), shape[dim] - max(0, -before) - max(0, -after))
        shape[dim] = size
        places.append((dim, max(0, before)))
    if list(kept.shape) == shape:
        return kept.clone()
    result = rustorch.full(shape, value, dtype=input.dtype, device=input.device)
    window = result
    for dim, start in places:
        window = window.narrow(dim, start, kept.size(dim))
    window.copy_(kept)
    return result


def _sources(input: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """For each place along ``dim`` of the result, the place in ``input`` whose value it takes."""
    size = input.size(dim)
    places = rustorch.arange(-before, size + after, device=input.device)
    if mode == "replicate":
        return places.clamp(0, size - 1)
    if mode == "circular":
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if before + after + size < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        # What is cropped takes no part in the circle.
        first, last = max(0, -before), size - max(0, -after)
        return (places - first).remainder(last - first) + first
    if before >= size or after >= size:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) at dimension {dim} of input {list(input.shape)}"
        )
    folded = places.abs()
    return rustorch.where(folded >= size, 2 * (size - 1) - folded, folded)

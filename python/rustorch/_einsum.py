"""``einsum``: sums of products over dimensions that are named by letters."""

from collections.abc import Sequence
from typing import Any

from rustorch import _C
from rustorch._C import Tensor

__all__ = ["einsum"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOTHING_GIVEN = (
    "einsum(): must specify the equation string and at least one operand, "
    "or at least one operand and its subscripts list"
)
# A dimension's name: a letter, or how far from the right it stands among those that an ellipsis covers.
Label = str | int


def einsum(*args: Any) -> Tensor:
    """Multiplies the operands and sums over every label that the output does not have.

    Called as ``einsum(equation, *operands)``, or with lists of numbers for labels as
    ``einsum(operand, labels, ..., [output])``.

    Raises:
        RuntimeError: the equation does not fit the operands.

    Example::

        >>> import rustorch as torch
        >>> torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 2))
        tensor([[3., 3.],
                [3., 3.]])
        >>> torch.einsum("ii", torch.ones(3, 3))
        tensor(3.)
    """
    if len(args) < 2:
        raise ValueError(_NOTHING_GIVEN)
    if isinstance(args[0], Tensor):
        equation, operands = _from_lists(args)
    else:
        equation = args[0]
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], list | tuple) else list(args[1:])
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) > len(operands):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(terms) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    labels = [_labels(term, operand, place) for place, (term, operand) in enumerate(zip(terms, operands, strict=True))]
    sizes = _sizes(labels, operands)
    output = _output(right, labels) if arrow else _implied_output(labels)
    return _contract(operands, labels, sizes, output)


# ---- reading


def _from_lists(args: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """The equation that a call with lists of labels means."""

    def text(subscripts: Sequence[Any]) -> str:
        letters = []
        for subscript in subscripts:
            if subscript is Ellipsis:
                letters.append("...")
                continue
            if not 0 <= subscript < len(_LETTERS):
                raise ValueError(
                    f"einsum(): subscript in subscript list is not within the valid range [0, {len(_LETTERS)})"
                )
            letters.append(_LETTERS[subscript])
        return "".join(letters)

    pairs = len(args) // 2
    operands = [args[2 * place] for place in range(pairs)]
    equation = ",".join(text(args[2 * place + 1]) for place in range(pairs))
    return (f"{equation}->{text(args[-1])}" if len(args) % 2 else equation), operands


def _letters(term: str, place: int) -> tuple[list[str], list[str] | None]:
    """The labels in front of an ellipsis and after it; None after it where there is none."""
    before, dots, after = term.partition("...")
    if "." in before + after:
        if dots:
            raise RuntimeError(f"einsum(): found '.' for operand {place} for which an ellipsis was already found")
        raise RuntimeError(f"einsum(): found '.' for operand {place} that is not part of any ellipsis")
    for at, letter in enumerate(term):
        if letter != "." and letter not in _LETTERS:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {at} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
    return list(before), list(after) if dots else None


def _labels(term: str, operand: Tensor, place: int) -> list[Label]:
    """One label a dimension of the operand."""
    before, after = _letters(term, place)
    named, rank = len(before) + len(after or []), operand.dim()
    if named > rank or (named < rank and after is None):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) "
            + (
                "does not match the number of dimensions "
                if after is None
                else "is more than the number of dimensions "
            )
            + f"({rank}) for operand {place}"
            + (" and no ellipsis was given" if after is None else "")
        )
    covered = rank - named
    return [*before, *range(-covered, 0), *(after or [])]


def _sizes(labels: list[list[Label]], operands: list[Tensor]) -> dict[Label, int]:
    """How many values each label takes."""
    sizes: dict[Label, int] = {}
    for place, (names, operand) in enumerate(zip(labels, operands, strict=True)):
        own: dict[Label, int] = {}
        for name, size in zip(names, operand.shape, strict=True):
            if name in own and own[name] != size:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for operand {place} but the sizes don't match, "
                    f"{size} != {own[name]}"
                )
            own[name] = size
        for name, size in own.items():
            seen = sizes.get(name, 1)
            if size != seen and 1 not in (size, seen):
                _complain(name, size, seen, place, labels)
            sizes[name] = seen if size == 1 else size
    return sizes


def _complain(name: Label, size: int, seen: int, place: int, labels: list[list[Label]]) -> None:
    if isinstance(name, str):
        raise RuntimeError(
            f"einsum(): subscript {name} has size {size} for operand {place} "
            f"which does not broadcast with previously seen size {seen}"
        )
    widest = max(sum(isinstance(label, int) for label in names) for names in labels)
    raise RuntimeError(
        f"einsum(): dimension {widest + name} covered by ellipsis in operand {place}has size {size} "
        f"which does not broadcast with previously seen ellipsis with size {seen} for the respective dimension"
    )


def _covered(labels: list[list[Label]]) -> list[Label]:
    """What the ellipses cover altogether, in order."""
    return sorted({name for names in labels for name in names if isinstance(name, int)})


def _output(text: str, labels: list[list[Label]]) -> list[Label]:
    before, after = _letters(text, -1)
    known = {name for names in labels for name in names}
    for position, name in enumerate([*before, *(after or [])]):
        if name in [*before, *(after or [])][:position]:
            raise RuntimeError(f"einsum(): output subscript {name} appears more than once in the output")
        if name not in known:
            raise RuntimeError(
                f"einsum(): output subscript {name} does not appear in the equation for any input operand"
            )
    return [*before, *(_covered(labels) if after is not None else []), *(after or [])]


def _implied_output(labels: list[list[Label]]) -> list[Label]:
    """Without an arrow: what the ellipses cover, then the letters that occur once, in alphabetical order."""
    letters = [name for names in labels for name in names if isinstance(name, str)]
    return [*_covered(labels), *sorted(name for name in set(letters) if letters.count(name) == 1)]


# ---- computing


def _contract(
    operands: list[Tensor], labels: list[list[Label]], sizes: dict[Label, int], output: list[Label]
) -> Tensor:
    """Takes the operands in, one after the other, summing each label as soon as nobody needs it any more."""
    result, names = _distinct(operands[0], labels[0])
    for place in range(1, len(operands)):
        operand, others = _distinct(operands[place], labels[place])
        wanted = {name for later in labels[place + 1 :] for name in later} | set(output)
        result, names = _multiply(result, names, operand, others, wanted)
    summed = [dim for dim, name in enumerate(names) if name not in output]
    if summed:
        result = result.sum(summed)
        names = [name for name in names if name in output]
    return result if names == output else result.permute([names.index(name) for name in output])


def _distinct(operand: Tensor, names: list[Label]) -> tuple[Tensor, list[Label]]:
    """Takes the diagonal over labels that occur twice."""
    names = list(names)
    for name in list(dict.fromkeys(names)):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            operand = operand.diagonal(0, first, second)
            # The diagonal becomes the last dimension.
            names = [*names[:first], *names[first + 1 : second], *names[second + 1 :], name]
    return operand, names


def _multiply(
    a: Tensor, in_a: list[Label], b: Tensor, in_b: list[Label], wanted: set[Label]
) -> tuple[Tensor, list[Label]]:
    """One product of matrices: labels of both that are wanted run along the batch, those that are not are summed."""
    a, in_a = _sum_unshared(a, in_a, b, in_b, wanted)
    b, in_b = _sum_unshared(b, in_b, a, in_a, wanted)
    shared = [name for name in in_a if name in in_b]
    batch = [name for name in shared if name in wanted]
    inner = [name for name in shared if name not in wanted]
    left = [name for name in in_a if name not in shared]
    right = [name for name in in_b if name not in shared]
    size_a, size_b = dict(zip(in_a, a.shape, strict=True)), dict(zip(in_b, b.shape, strict=True))
    size = {
        name: max(size_a.get(name, 1), size_b.get(name, 1)) if 0 not in (size_a.get(name), size_b.get(name)) else 0
        for name in {*in_a, *in_b}
    }

    def matrix(t: Tensor, names: list[Label], rows: list[Label], columns: list[Label]) -> Tensor:
        order = [*batch, *rows, *columns]
        t = t.permute([names.index(name) for name in order]).expand([size[name] for name in order])
        return t.reshape(_extent(size, batch), _extent(size, rows), _extent(size, columns))

    product = _C.bmm(matrix(a, in_a, left, inner), matrix(b, in_b, inner, right))
    names = [*batch, *left, *right]
    return product.reshape([size[name] for name in names]), names


def _extent(size: dict[Label, int], names: list[Label]) -> int:
    extent = 1
    for name in names:
        extent *= size[name]
    return extent


def _sum_unshared(
    t: Tensor, names: list[Label], other: Tensor, in_other: list[Label], wanted: set[Label]
) -> tuple[Tensor, list[Label]]:
    """Sums what only ``t`` has and nobody wants, before the product: it is smaller then.

    A label whose size is one in the other operand counts as its own too: it is summed here to size one.
    """
    gone = [dim for dim, name in enumerate(names) if name not in wanted and name not in in_other]
    if gone:
        t = t.sum(gone)
        names = [name for name in names if name in wanted or name in in_other]
    for dim, name in enumerate(names):
        if name not in wanted and t.shape[dim] != 1 and other.shape[in_other.index(name)] == 1:
            t = t.sum(dim, keepdim=True)
    return t, names

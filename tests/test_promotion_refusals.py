"""What pointwise operations refuse of dtypes, and what takes no part in promotion."""

import pytest

import rustorch as torch

FLAG, WHOLE, REAL = torch.tensor([True]), torch.tensor([1]), torch.tensor([1.0])


def test_bools_are_not_subtracted() -> None:
    with pytest.raises(RuntimeError, match="with two bool tensors is not supported. Use the `\\^` or `logical_xor"):
        FLAG - FLAG
    for subtract in (lambda: WHOLE - FLAG, lambda: FLAG - 1, lambda: 1 - FLAG, lambda: REAL - True):
        with pytest.raises(
            RuntimeError, match="with a bool tensor is not supported. If you are trying to invert a mask"
        ):
            subtract()


def test_alpha_takes_no_part_in_promotion() -> None:
    assert torch.add(FLAG, FLAG, alpha=2).dtype == torch.bool
    assert torch.add(WHOLE, REAL, alpha=1.5).item() == 2.5
    with pytest.raises(RuntimeError, match="For integral input tensors, argument alpha must not be a floating point"):
        torch.add(WHOLE, WHOLE, alpha=1.5)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported for Boolean results"):
        torch.add(WHOLE, WHOLE, alpha=True)


def test_the_ends_of_lerp() -> None:
    with pytest.raises(RuntimeError, match="expected dtype float for `end` but got dtype double"):
        torch.lerp(REAL, REAL.double(), 0.5)
    with pytest.raises(NotImplementedError, match="\"lerp_kernel_scalar\" not implemented for 'Long'"):
        torch.lerp(WHOLE, WHOLE, 0.5)


def test_squares_of_bools_are_whole_numbers() -> None:
    assert torch.square(FLAG).dtype == torch.int64


def test_nonzero_as_tuple() -> None:
    mask = torch.tensor([[True, False], [False, True]])
    assert [columns.tolist() for columns in torch.nonzero(mask, as_tuple=True)] == [[0, 1], [0, 1]]
    assert mask.nonzero().tolist() == [[0, 0], [1, 1]]
    assert [columns.tolist() for columns in torch.tensor(3).nonzero(as_tuple=True)] == [[0]]


def test_indices_of_nothing() -> None:
    assert torch.arange(6)[torch.tensor([], dtype=torch.int64)].shape == (0,)
    assert torch.zeros(0, 3)[torch.zeros(0, dtype=torch.bool)].shape == (0, 3)

"""Gradients compared with finite differences."""

import pytest

import rustorch as torch
from rustorch.autograd import Function, gradcheck, gradgradcheck


def wide(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


class WrongGradient(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 3


def test_right_gradients_pass() -> None:
    assert gradcheck(lambda x, y: (x @ y).exp(), (wide(2, 3), wide(3, 2)))
    assert gradcheck(lambda x: (x * 2, x.sum()), wide(2, 2))
    assert gradcheck(lambda x, n: x * n, (wide(3), 2.5))
    assert gradcheck(lambda x: x.t() * 1, wide(2, 3).t())
    assert gradgradcheck(lambda x, y: x * y * y, (wide(3), wide(3)))
    assert gradgradcheck(lambda x: x.sin(), wide(2), gen_non_contig_grad_outputs=True)


def test_wrong_gradients_are_found() -> None:
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(WrongGradient.apply, wide(2))
    assert gradcheck(WrongGradient.apply, wide(2), raise_exception=False) is False


def test_inputs_that_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, torch.ones(1))
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        gradcheck(lambda x: x * 2, torch.ones(1, requires_grad=True), eps=0.1, atol=0.1)
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, wide(1).detach().expand(3).requires_grad_())


def test_inputs_are_as_before_afterwards() -> None:
    x = wide(3)
    before = x.detach().clone()
    gradcheck(lambda x: x * x, x)
    assert torch.equal(x, before)
    assert x.grad is None

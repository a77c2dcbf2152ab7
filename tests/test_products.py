"""Products and running sums of exponentials where zeros and large numbers make a quotient fail."""

import pytest

import rustorch as torch


def with_zeros(*shape):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    x[x.abs() < 0.5] = 0
    return x.requires_grad_()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 1)])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.prod(),
        lambda x: x.prod(1),
        lambda x: x.prod(0, keepdim=True),
        lambda x: x.cumprod(1),
        lambda x: torch.logcumsumexp(x, 0),
    ],
    ids=["prod", "prod_rows", "prod_columns", "cumprod", "logcumsumexp"],
)
def test_both_gradients_are_exact_at_zeros(function, shape):
    x = with_zeros(*shape)
    assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.gradgradcheck(function, (x,))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_empty_lines_and_single_numbers_have_gradients(shape):
    x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    for function in (torch.prod, lambda x: x.cumprod(0), lambda x: torch.logcumsumexp(x, 0)):
        (gradient,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        assert gradient.shape == x.shape


def test_running_exponentials_do_not_overflow():
    x = torch.tensor([1000.0, 1000.0, -1000.0, 2000.0], requires_grad=True)
    torch.logcumsumexp(x, 0).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([2.0, 1.0, 0.0, 1.0]), atol=2e-4, rtol=0)


def test_a_number_tensor_is_compared_with_and_names_no_dimension():
    assert torch.max(torch.tensor([1, 7, 3]), torch.tensor(6)).tolist() == [6, 7, 6]
    assert torch.min(torch.tensor([1, 7, 3]), torch.tensor(6)).tolist() == [1, 6, 3]

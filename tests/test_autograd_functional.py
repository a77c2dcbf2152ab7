"""Derivatives of functions."""

import pytest

import rustorch as torch
from rustorch.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

X, Y = torch.tensor([1.0, 2.0]), torch.ones(3)


def test_vjp() -> None:
    value, product = vjp(lambda x: x.sum(), X)
    assert (value.item(), product.tolist()) == (3.0, [1.0, 1.0])
    _, products = vjp(lambda x, y: (x.sum(), y * 2), (X, Y), (torch.tensor(1.0), Y))
    assert [p.tolist() for p in products] == [[1.0, 1.0], [2.0, 2.0, 2.0]]
    with pytest.raises(RuntimeError, match="The vector v can only be None if the user-provided function returns"):
        vjp(lambda x: x * 2, X)
    with pytest.raises(RuntimeError, match=r"v has invalid size: should be torch.Size\(\[2\]\) but got"):
        vjp(lambda x: x * 2, X, Y)
    with pytest.raises(TypeError, match="The inputs given to vjp must be either a Tensor or a tuple of Tensors"):
        vjp(lambda x: x, [X])


def test_jvp_and_create_graph() -> None:
    value, product = jvp(lambda x: x * x, X, torch.ones(2))
    assert (value.tolist(), product.tolist()) == ([1.0, 4.0], [2.0, 4.0])
    assert not product.requires_grad
    x = X.clone().requires_grad_()
    _, product = jvp(lambda x: x**3, x, torch.ones(2), create_graph=True)
    (second,) = torch.autograd.grad(product.sum(), x)
    assert second.tolist() == [6.0, 12.0]


def test_jacobian() -> None:
    assert jacobian(lambda x: x * x, X).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    (sums, doubles) = jacobian(lambda x, y: (x.sum(), y * 2), (X, Y))
    assert [tuple(block.shape) for block in sums] == [(2,), (3,)]
    assert doubles[1].tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function is independent of input 1"):
        jacobian(lambda x, y: x * 2, (X, Y), strict=True)


def test_hessian() -> None:
    assert hessian(lambda x: (x**3).sum(), X).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    blocks = hessian(lambda x, y: (x**2).sum() * y.sum(), (X, Y))
    assert blocks[0][1].shape == (2, 3)
    assert blocks[1][1].tolist() == [[0.0] * 3] * 3
    with pytest.raises(RuntimeError, match="The Tensor returned by the function given to hessian should contain"):
        hessian(lambda x: x**3, X)
    with pytest.raises(RuntimeError, match="The function given to hessian should return a single Tensor"):
        hessian(lambda x: (x.sum(),), X)
    with pytest.raises(RuntimeError, match="While computing the hessian, found that the jacobian"):
        hessian(lambda x: x.sum(), X, strict=True)


@pytest.mark.parametrize("product", [vhp, hvp])
def test_products_with_the_hessian(product) -> None:
    value, result = product(lambda x: (x**3).sum(), X, torch.ones(2))
    assert (value.item(), result.tolist()) == (9.0, [6.0, 12.0])
    _, (first, second) = product(lambda x, y: (x**2).sum() * y.sum(), (X, Y), (torch.zeros(2), Y))
    assert (first.tolist(), second.tolist()) == ([6.0, 12.0], [0.0, 0.0, 0.0])

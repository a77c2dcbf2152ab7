"""Operations made of other operations."""

import pytest

import rustorch as torch


def test_broadcast_shapes() -> None:
    assert torch.broadcast_shapes((2, 1), 3, (4, 1, 1)) == (4, 2, 3)
    assert torch.broadcast_shapes() == ()
    with pytest.raises(RuntimeError, match="Attempting to broadcast a dimension of length 2 at -1! Mismatching argum"):
        torch.broadcast_shapes((2, 3), (3, 2))
    with pytest.raises(ValueError, match="negative length"):
        torch.broadcast_shapes((-1,))


def test_broadcast_tensors() -> None:
    a, b = torch.broadcast_tensors(torch.arange(2).view(2, 1), torch.zeros(3))
    assert a.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert b.shape == (2, 3)
    with pytest.raises(
        RuntimeError, match=r"The size of tensor a \(2\) must match the size of tensor b \(3\) at non-sin"
    ):
        torch.broadcast_tensors(torch.zeros(3, 2), torch.zeros(2, 3))
    with pytest.raises(TypeError, match="expected Tensor as element 0"):
        torch.broadcast_tensors([torch.zeros(1)])


def test_meshgrid() -> None:
    x, y = torch.tensor([1, 2]), torch.tensor([3, 4, 5])
    rows, columns = torch.meshgrid(x, y, indexing="ij")
    assert rows.tolist() == [[1, 1, 1], [2, 2, 2]]
    assert columns.tolist() == [[3, 4, 5], [3, 4, 5]]
    rows, columns = torch.meshgrid([x, y], indexing="xy")
    assert rows.tolist() == [[1, 2], [1, 2], [1, 2]]
    assert columns.tolist() == [[3, 3], [4, 4], [5, 5]]
    assert torch.meshgrid(x, y, torch.tensor(0), indexing="xy")[2].shape == (3, 2, 1)
    with pytest.warns(UserWarning, match="it will be required to pass the indexing argument"):
        torch.meshgrid(x, y)
    with pytest.raises(RuntimeError, match='indexing must be one of "xy" or "ij", but received: zz'):
        torch.meshgrid(x, indexing="zz")


def test_tensordot() -> None:
    a, b = torch.arange(6.0).view(2, 3), torch.arange(6.0).view(3, 2)
    assert torch.tensordot(a, b, 1).tolist() == (a @ b).tolist()
    assert torch.tensordot(a, b.t(), 2).item() == 50.0
    assert torch.tensordot(a, b, ([0], [1])).tolist() == (a.t() @ b.t()).tolist()
    assert torch.tensordot(a, a, 0).shape == (2, 3, 2, 3)
    with pytest.raises(RuntimeError, match="contracted dimensions need to match, but first has size 3 in dim -1"):
        torch.tensordot(a, a, 1)
    with pytest.raises(RuntimeError, match="tensordot expects dims < ndim_a or ndim_b, but got dims=3"):
        torch.tensordot(a, b, 3)


def test_blocks_products_and_rows() -> None:
    blocks = torch.block_diag(torch.ones(1, 2), torch.tensor(2))
    assert blocks.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]
    assert torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])).tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]]
    assert [t.shape for t in torch.atleast_2d(torch.tensor(1), torch.ones(2))] == [(1, 1), (1, 2)]
    assert torch.atleast_3d(torch.ones(2, 3)).shape == (2, 3, 1)
    matrices = [torch.ones(1, 5), torch.ones(5, 2), torch.ones(2, 3)]
    with pytest.warns(UserWarning, match="chain_matmul is deprecated"):
        assert torch.chain_matmul(*matrices).tolist() == [[10.0, 10.0, 10.0]]


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], lambda a, b: a @ b),
        ("ij->ji", [(2, 3)], lambda a: a.t()),
        ("ii", [(3, 3)], lambda a: a.diagonal().sum()),
        ("ii->i", [(3, 3)], lambda a: a.diagonal()),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], lambda a, b: a @ b),
        ("i,j->ij", [(2,), (3,)], lambda a, b: a.view(2, 1) * b),
        ("...i,...i->...", [(2, 3, 4), (4,)], lambda a, b: (a * b).sum(-1)),
        ("ij,ij->", [(2, 3), (2, 3)], lambda a, b: (a * b).sum()),
        ("a,ab,b", [(2,), (2, 3), (3,)], lambda a, b, c: a @ b @ c),
    ],
)
def test_einsum(equation, shapes, expected) -> None:
    operands = [torch.randn(*shape, dtype=torch.float64) for shape in shapes]
    assert torch.allclose(torch.einsum(equation, *operands), expected(*operands))


def test_einsum_with_lists_and_gradients() -> None:
    a, b = torch.randn(2, 3), torch.randn(3, 4)
    assert torch.allclose(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), a @ b)
    wide = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: torch.einsum("ij,kj->ik", a, b), wide)


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->q", [(2, 3), (3, 2)], "output subscript q does not appear in the equation for any input operand"),
        ("ij->ii", [(2, 3)], "output subscript i appears more than once in the output"),
        ("ij,jk->ik", [(2, 3)], "fewer operands were provided than specified in the equation"),
        ("ij", [(2, 3), (2, 3)], "more operands were provided than specified in the equation"),
        (
            "i",
            [(2, 3)],
            r"the number of subscripts in the equation \(1\) does not match the number of dimensions \(2\)",
        ),
        ("i1", [(2, 3)], "invalid subscript given at index 1 in the equation string"),
        (
            "ij,jk",
            [(2, 3), (4, 3)],
            "subscript j has size 4 for operand 1 which does not broadcast with previously seen",
        ),
        ("ii", [(2, 3)], "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
    ],
)
def test_einsum_refusals(equation, shapes, message) -> None:
    with pytest.raises(RuntimeError, match=message):
        torch.einsum(equation, *(torch.ones(*shape) for shape in shapes))

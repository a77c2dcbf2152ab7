"""In-place writes and the graph: leaf rules, CopySlices, regenerated histories of views, and what is refused."""

import pytest

import rustorch as torch


def test_a_leaf_that_requires_grad_refuses_in_place_writes():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.add_(1)
    assert x.tolist() == [1, 1] and x._version == 0


def test_a_view_of_a_leaf_that_requires_grad_refuses_in_place_writes():
    x = torch.ones(2, 2, requires_grad=True)
    message = "a view of a leaf Variable that requires grad is being used in an in-place operation"
    with pytest.raises(RuntimeError, match=message):
        x[0].zero_()
    with pytest.raises(RuntimeError, match=message):
        x[0, 0] = 5
    assert x.tolist() == [[1, 1], [1, 1]]


def test_a_leaf_may_be_written_under_no_grad():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        x.add_(1)
        x[0] = 7
    assert x.tolist() == [7, 2] and x.is_leaf and x.grad_fn is None


def test_a_leaf_without_grad_becomes_tracked_by_a_tracked_write():
    w = torch.ones(2, requires_grad=True)
    x = torch.zeros(2)
    x.add_(w * 3)
    assert x.requires_grad and not x.is_leaf and x.grad_fn.name() == "AddBackward0"
    x.sum().backward()
    assert w.grad.tolist() == [3, 3]


def test_in_place_replaces_the_grad_fn():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    assert y.grad_fn.name() == "MulBackward0"
    y.add_(1)
    assert y.grad_fn.name() == "AddBackward0"
    assert y.grad_fn.next_functions[0][0].name() == "MulBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_fill_and_zero_cut_the_history():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.zero_()
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_a_write_to_a_view_rebases_the_base():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[1:].mul_(5)
    assert y.tolist() == [2, 10, 10]
    assert "grad_fn=<CopySlices>" in repr(y)
    assert y.grad_fn.name() == "torch::autograd::CopySlices"
    y.sum().backward()
    assert x.grad.tolist() == [2, 10, 10]


def test_setitem_rebases_the_history():
    x = torch.ones(3, requires_grad=True)
    v = torch.tensor(4.0, requires_grad=True)
    y = x * 2
    y[1] = v * 3
    assert y.grad_fn.name() == "torch::autograd::CopySlices"
    y.backward(torch.tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [2, 0, 200]
    assert v.grad.item() == 30


def test_setitem_of_a_number_stops_gradients_there():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[0] = 0
    y.sum().backward()
    assert x.grad.tolist() == [0, 2, 2]


def test_an_untracked_base_becomes_tracked_by_a_write_to_its_view():
    w = torch.full((2,), 3.0, requires_grad=True)
    base = torch.zeros(2, 2)
    view = base[0]
    view.copy_(w)
    assert base.requires_grad and base.grad_fn.name() == "torch::autograd::CopySlices" and not base.is_leaf
    (base * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert w.grad.tolist() == [1, 2]


def test_the_history_of_a_view_is_regenerated_after_a_write_to_the_base():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    view = y[0]
    assert view.grad_fn.name() == "SelectBackward0"
    y.mul_(3)
    assert view.tolist() == [6, 6]
    regenerated = view.grad_fn
    assert regenerated.name() == "AsStridedBackward0" or regenerated.name() == "SelectBackward0"
    assert regenerated.next_functions[0][0] is y.grad_fn
    view.sum().backward()
    assert x.grad.tolist() == [[6, 6], [0, 0]]


def test_the_history_of_a_view_is_regenerated_after_a_write_to_a_sibling():
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    head, tail = y[:2], y[2:]
    head.mul_(7)
    tail_sum = (tail * torch.tensor([1.0, 2.0])).sum()
    tail_sum.backward()
    assert x.grad.tolist() == [0, 0, 1, 2]


def test_a_regenerated_history_is_kept_until_the_next_write():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    view = y[0]
    y.mul_(3)
    first = view.grad_fn
    assert view.grad_fn is first
    y.mul_(3)
    assert view.grad_fn is not first


def test_a_view_of_an_untracked_base_learns_that_its_base_is_tracked_now():
    w = torch.ones(2, requires_grad=True)
    base = torch.zeros(2)
    view = base[:1]
    assert not view.requires_grad
    base.add_(w)
    assert view.requires_grad and view.grad_fn is not None
    view.sum().backward()
    assert w.grad.tolist() == [1, 0]


def test_writes_to_a_view_of_a_view():
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 1
    y.t()[1:][0].mul_(4)
    assert y.tolist() == [[1, 4, 1], [1, 4, 1]]
    y.sum().backward()
    assert x.grad.tolist() == [[1, 4, 1], [1, 4, 1]]


def test_a_chain_of_writes_to_overlapping_views():
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    y[:3].mul_(2)
    y[1:].mul_(3)
    y[2].zero_()
    y.sum().backward()
    assert x.grad.tolist() == [2, 6, 0, 3]


def test_a_write_to_a_view_may_be_differentiated_twice():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y[0].mul_(x[1])
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [4, 5]
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [2 * 2 + 2, 2 + 2]


def test_backward_of_a_write_that_saved_the_old_value():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1
    y.mul_(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    "split", [lambda t: t.unbind(0), lambda t: t.split(1), lambda t: t.chunk(2)], ids=["unbind", "split", "chunk"]
)
def test_one_of_several_outputs_of_a_view_refuses_in_place_writes(split):
    x = torch.ones(2, 2, requires_grad=True)
    part = split(x * 2)[0]
    message = (
        "is a view and is being modified inplace. This view is the output of a function that returns multiple views"
    )
    with pytest.raises(RuntimeError, match=message):
        part.mul_(2)


def test_iterating_gives_views_that_refuse_in_place_writes():
    x = torch.ones(2, 2, requires_grad=True)
    for row in x * 2:
        with pytest.raises(RuntimeError, match="multiple views"):
            row.mul_(2)


def test_multi_output_views_without_history_may_be_written():
    t = torch.ones(2, 2)
    t.unbind(0)[0].mul_(5)
    assert t.tolist() == [[5, 5], [1, 1]]


def test_a_view_made_under_no_grad_refuses_tracked_writes():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 1
    with torch.no_grad():
        view = y[0]
    message = r"A view was created in no_grad mode and is being modified inplace with grad mode enabled"
    with pytest.raises(RuntimeError, match=message):
        view.mul_(2)


def test_a_view_made_under_no_grad_may_be_written_under_no_grad():
    y = torch.ones(2, requires_grad=True) * 1
    with torch.no_grad():
        view = y[:1]
        view.mul_(2)
    assert y.tolist() == [2, 1]


def test_a_view_of_a_leaf_made_under_no_grad_refuses_tracked_writes():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        view = x[:1]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode|leaf Variable"):
        view.mul_(2)


def test_an_inference_tensor_refuses_to_be_written_outside():
    with torch.inference_mode():
        t = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"):
        t.add_(1)


def test_an_inference_tensor_cannot_be_saved_for_backward():
    with torch.inference_mode():
        t = torch.ones(2)
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * t


def test_in_place_on_a_broadcast_operand_sums_its_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    b = torch.ones(3, requires_grad=True)
    y = x * 1
    y.add_(b)
    y.sum().backward()
    assert b.grad.tolist() == [2, 2, 2]


def test_detach_in_place_cuts_the_history():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf and not y.requires_grad and y.grad_fn is None


def test_detach_in_place_of_a_view_is_refused():
    y = torch.ones(2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match=r"Can't detach views in-place. Use detach\(\) instead"):
        y[0].detach_()


def test_requires_grad_of_a_result_cannot_be_unset():
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)


def test_only_floating_tensors_may_require_grad():
    with pytest.raises(RuntimeError, match="[oO]nly Tensors of floating point and complex dtype can require gradients"):
        torch.ones(2, dtype=torch.int64, requires_grad=True)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        torch.ones(2, dtype=torch.int64).requires_grad_()


def test_a_refused_write_changes_nothing():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    version, node = y._version, y.grad_fn
    with pytest.raises(RuntimeError):
        y.add_(torch.ones(3))
    assert (y._version, y.grad_fn, y.tolist()) == (version, node, [1, 1])


def test_copy_into_a_tracked_tensor_takes_the_source_gradient():
    x = torch.ones(2, requires_grad=True)
    s = torch.tensor([5.0, 6.0], requires_grad=True)
    y = x * 2
    y.copy_(s)
    y.backward(torch.tensor([1.0, 2.0]))
    assert x.grad.tolist() == [0, 0] and s.grad.tolist() == [1, 2]


def test_masked_assignment_is_differentiable():
    x = torch.tensor([1.0, -1.0, 2.0], requires_grad=True)
    y = x * 3
    y[x < 0] = 0
    y.sum().backward()
    assert x.grad.tolist() == [3, 0, 3]

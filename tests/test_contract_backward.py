"""backward and autograd.grad: their arguments, accumulation, any order, and what is refused."""

import pytest

import rustorch as torch
from rustorch import autograd


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_backward_of_a_scalar():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_backward_of_more_than_one_element_needs_a_gradient():
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (leaf(1.0, 2.0) * 2).backward()


def test_backward_of_one_element_of_any_rank():
    x = torch.ones(1, 1, requires_grad=True)
    (x * 3).backward()
    assert x.grad.tolist() == [[3]]


def test_backward_with_a_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2, 40]
    x.grad = None
    (x * x).backward(gradient=torch.tensor([0.5, 0.5]))
    assert x.grad.tolist() == [1, 2]


def test_backward_with_a_gradient_of_the_wrong_shape_is_refused():
    message = (
        r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[3\]\) and output\[0\] has a shape of torch"
    )
    with pytest.raises(RuntimeError, match=message):
        (leaf(1.0, 2.0) * 2).backward(torch.ones(3))


def test_backward_without_history_is_refused():
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        torch.ones(1).backward()


def test_backward_of_an_integer_result_is_refused():
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1, dtype=torch.int64).sum().backward()


def test_a_leaf_may_be_the_root():
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


def test_the_graph_is_freed_by_backward():
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    assert x.grad.tolist() == [2]


def test_a_graph_that_saved_nothing_may_run_again():
    x = leaf(1.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2]


def test_retain_graph_keeps_the_graph():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]


def test_inputs_restricts_accumulation():
    x, w = leaf(2.0), leaf(5.0)
    y = x * w
    y.backward(inputs=[x])
    assert x.grad.tolist() == [5] and w.grad is None


def test_inputs_may_be_one_tensor():
    x, w = leaf(2.0), leaf(5.0)
    (x * w).backward(inputs=w)
    assert w.grad.tolist() == [2] and x.grad is None


def test_inputs_may_be_inner_tensors():
    x = leaf(2.0)
    h = x * 3
    h.retain_grad()
    (h * h).backward(inputs=[h])
    assert x.grad is None and h.grad.tolist() == [12]


def test_empty_inputs_are_refused():
    with pytest.raises(RuntimeError, match="`inputs` argument to `backward\\(\\)` cannot be empty"):
        (leaf(1.0) * 2).backward(inputs=[])


def test_accumulation_adds_into_the_same_tensor():
    x = leaf(1.0, 1.0)
    (x * 2).sum().backward()
    grad, address = x.grad, x.grad.data_ptr()
    (x * 3).sum().backward()
    assert x.grad is grad and grad.data_ptr() == address and grad.tolist() == [5, 5]


def test_accumulation_under_create_graph_makes_a_new_tensor():
    x = leaf(1.0)
    (x * x).backward(create_graph=True)
    grad = x.grad
    assert grad.requires_grad and grad.grad_fn is not None
    (x * x).backward(create_graph=True)
    assert x.grad is not grad and x.grad.item() == 4 and grad.item() == 2
    x.grad = None


def test_gradients_of_a_tensor_used_many_times_add_up():
    x = leaf(3.0)
    (x * x + x * 2 + x).backward()
    assert x.grad.tolist() == [9]


def test_the_stolen_gradient_is_not_shared_between_leaves():
    a, b = leaf(1.0, 1.0), leaf(1.0, 1.0)
    (a + b).sum().backward()
    assert a.grad.data_ptr() != b.grad.data_ptr()
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1]


def test_a_given_gradient_is_not_taken_over():
    x = leaf(1.0, 1.0)
    gradient = torch.ones(2)
    (x + 0).backward(gradient)
    x.grad.fill_(9)
    assert gradient.tolist() == [1, 1]


def test_gradients_have_the_shape_of_their_leaf():
    x = torch.ones(3, 1, requires_grad=True)
    (x + torch.ones(3, 4)).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.view(-1).tolist() == [4, 4, 4]


def test_gradients_have_the_dtype_of_their_leaf():
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    (x * w).sum().backward()
    assert x.grad.dtype is torch.float64 and w.grad.dtype is torch.float32


def test_grad_may_be_assigned_and_deleted():
    x = leaf(1.0, 2.0)
    x.grad = torch.tensor([5.0, 6.0])
    (x * 1).sum().backward()
    assert x.grad.tolist() == [6, 7]
    x.grad = None
    assert x.grad is None


def test_a_grad_that_does_not_fit_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match=r"attempting to assign a gradient of size '\[3\]' to a tensor of size '\[2\]'"
    ):
        x.grad = torch.ones(3)
    with pytest.raises(
        RuntimeError, match="attempting to assign a gradient with dtype 'double' to a tensor with grad_dtype 'Float'"
    ):
        x.grad = torch.ones(2, dtype=torch.float64)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None but got grad of type"):
        x.grad = 5
    with pytest.raises(RuntimeError, match="can't assign Variable as its own grad"):
        x.grad = x


def test_grad_of_an_inner_tensor_warns_and_is_none():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf Tensor is being accessed"):
        assert y.grad is None


def test_retain_grad_keeps_the_gradient_of_an_inner_tensor():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * y).backward()
    assert y.grad.tolist() == [12] and x.grad.tolist() == [36]


def test_retain_grad_of_a_leaf_changes_nothing():
    x = leaf(1.0)
    x.retain_grad()
    assert not x.retains_grad


def test_retain_grad_without_requires_grad_is_refused():
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(1).retain_grad()


def test_retain_grad_follows_an_in_place_write():
    x = leaf(2.0)
    y = x * 1
    y.retain_grad()
    y.mul_(3)
    (y * 5).backward()
    assert y.grad.tolist() == [5] and x.grad.tolist() == [15]


def test_autograd_grad_returns_gradients_and_leaves_grad_alone():
    x = leaf(3.0)
    (g,) = autograd.grad(x * x, x)
    assert g.tolist() == [6] and x.grad is None


def test_autograd_grad_of_several_inputs_and_outputs():
    a, b = leaf(2.0), leaf(5.0)
    ga, gb = autograd.grad([a * b, a * a], [a, b])
    assert ga.tolist() == [5 + 4] and gb.tolist() == [2]


def test_autograd_grad_with_grad_outputs():
    x = leaf(1.0, 2.0)
    (g,) = autograd.grad(x * x, x, grad_outputs=torch.tensor([1.0, 100.0]))
    assert g.tolist() == [2, 400]
    (g,) = autograd.grad([(x * x).sum(), (x * 3)], [x], grad_outputs=[None, torch.ones(2)])
    assert g.tolist() == [5, 7]


def test_autograd_grad_of_an_inner_tensor():
    x = leaf(2.0)
    y = x * 3
    (g,) = autograd.grad(y * y, y)
    assert g.tolist() == [12]


def test_autograd_grad_of_an_unused_input():
    x, w = leaf(1.0), leaf(1.0)
    message = "The differentiated Tensor at index 0 appears to not have been used in the graph. Set allow_unused=True"
    with pytest.raises(RuntimeError, match=message):
        autograd.grad(x * 2, w)
    assert autograd.grad(x * 2, [x, w], allow_unused=True)[1] is None
    assert autograd.grad(x * 2, [x, w], materialize_grads=True)[1].tolist() == [0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed when materialize_grads=True"):
        autograd.grad(x * 2, [w], allow_unused=False, materialize_grads=True)


def test_autograd_grad_of_what_does_not_require_grad_is_refused():
    with pytest.raises(RuntimeError, match="One of the differentiated Tensors does not require grad"):
        autograd.grad(leaf(1.0) * 2, torch.ones(1))


def test_autograd_grad_is_grads_batched_shape():
    x = leaf(1.0, 2.0)
    y = x * x
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        autograd.grad(y, x)


def test_autograd_backward_of_several_roots():
    x = leaf(1.0, 2.0)
    autograd.backward([x.sum(), (x * x)], [None, torch.ones(2)])
    assert x.grad.tolist() == [3, 5]


def test_second_and_third_order():
    x = leaf(2.0)
    y = x**4
    (first,) = autograd.grad(y, x, create_graph=True)
    (second,) = autograd.grad(first, x, create_graph=True)
    (third,) = autograd.grad(second, x, create_graph=True)
    (fourth,) = autograd.grad(third, x)
    assert (first.item(), second.item(), third.item(), fourth.item()) == (32, 48, 48, 24)


def test_any_order_of_a_transcendental_function():
    x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    y = torch.sin(x)
    for expected in (torch.cos(x), -torch.sin(x), -torch.cos(x), torch.sin(x)):
        (y,) = autograd.grad(y, x, create_graph=True)
        assert torch.allclose(y, expected, atol=1e-14)


def test_a_gradient_penalty_trains():
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    output = (w * x * x).sum()
    (g,) = autograd.grad(output, x, create_graph=True)
    (g * g).sum().backward()
    assert w.grad.tolist() == [2 * 4 * 9 * 1, 2 * 4 * 16 * -2]


def test_gradients_without_create_graph_have_no_history():
    x = leaf(2.0)
    (g,) = autograd.grad(x * x, x)
    assert not g.requires_grad and g.grad_fn is None


def test_backward_inside_no_grad_runs():
    x = leaf(2.0)
    y = x * x
    with torch.no_grad():
        y.backward()
    assert x.grad.tolist() == [4]


def test_tensors_that_do_not_require_grad_receive_none():
    x, w = leaf(1.0), torch.ones(1)
    (x * w).backward()
    assert w.grad is None and not w.requires_grad


def test_is_leaf():
    x = leaf(1.0)
    assert x.is_leaf and torch.ones(1).is_leaf and not (x * 2).is_leaf and (torch.ones(1) * 2).is_leaf
    assert x.detach().is_leaf and (x * 2).detach().is_leaf


def test_a_dying_graph_frees_what_it_saved():
    import weakref

    x = leaf(1.0)
    w = torch.ones(1)
    reference = weakref.ref(w)
    y = x * w
    del w
    saved = y.grad_fn._saved_other
    assert saved is not None
    del saved, y
    assert reference() is None


def test_deep_graphs_share_their_parts():
    x = leaf(1.0)
    y = x
    for _ in range(20):
        y = y + y
    y.backward()
    assert x.grad.item() == 2**20


def test_zero_gradients_are_not_computed_for_frozen_parts():
    frozen = torch.ones(3, 3)
    x = torch.ones(3, 3, requires_grad=True)
    y = frozen @ x
    assert y.grad_fn.next_functions[0][0] is None and y.grad_fn.next_functions[1][0] is not None


def test_backward_runs_on_the_calling_thread():
    import threading

    seen = []
    x = leaf(1.0)
    x.register_hook(lambda g: seen.append(threading.get_ident()))

    def work():
        (x * 2).backward()
        seen.append(threading.get_ident())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] == seen[1] != threading.get_ident()


def test_autograd_grad_retains_the_graph_when_asked():
    x = leaf(3.0)
    y = x * x
    first = torch.autograd.grad(y, x, retain_graph=True)
    second = torch.autograd.grad(y, x)
    assert first[0].tolist() == second[0].tolist() == [6]
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(y, x)


def test_create_graph_retains_the_graph():
    x = leaf(3.0)
    y = x * x
    torch.autograd.grad(y, x, create_graph=True)
    assert torch.autograd.grad(y, x)[0].tolist() == [6]


def test_leaves_in_the_middle_of_a_graph_keep_both_gradients():
    x = leaf(2.0)
    y = (x * 3).detach().requires_grad_()
    (y * x).backward()
    assert x.grad.tolist() == [6] and y.grad.tolist() == [2]


def test_warnings_point_to_the_users_line():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning) as caught:
        y.grad
    assert caught[0].filename == __file__

"""The graph seen from Python: grad_fn names, next_functions, hooks, saved tensors."""

import pytest

import rustorch as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def matrix():
    return torch.ones(2, 2, requires_grad=True)


NAMES = {
    "AddBackward0": lambda x: x + 1,
    "SubBackward0": lambda x: x - 1,
    "RsubBackward1": lambda x: 1 - x,
    "MulBackward0": lambda x: x * 2,
    "DivBackward0": lambda x: x / 2,
    "NegBackward0": lambda x: -x,
    "PowBackward0": lambda x: x**2,
    "PowBackward1": lambda x: x**x,
    "ExpBackward0": lambda x: x.exp(),
    "LogBackward0": lambda x: x.log(),
    "SqrtBackward0": lambda x: x.sqrt(),
    "SinBackward0": lambda x: x.sin(),
    "TanhBackward0": lambda x: x.tanh(),
    "SigmoidBackward0": lambda x: x.sigmoid(),
    "ReluBackward0": lambda x: x.relu(),
    "AbsBackward0": lambda x: x.abs(),
    "ClampBackward1": lambda x: x.clamp(0, 1),
    "ReciprocalBackward0": lambda x: x.reciprocal(),
    "SumBackward0": lambda x: x.sum(),
    "SumBackward1": lambda x: x.sum(0),
    "MeanBackward0": lambda x: x.mean(),
    "MeanBackward1": lambda x: x.mean(0),
    "MaxBackward1": lambda x: x.max(),
    "MaxBackward0": lambda x: x.max(0).values,
    "AmaxBackward0": lambda x: x.amax(0),
    "MmBackward0": lambda x: x @ x,
    "MvBackward0": lambda x: x.mv(torch.ones(2)),
    "ViewBackward0": lambda x: x.view(4),
    "TBackward0": lambda x: x.t(),
    "TransposeBackward0": lambda x: x.transpose(0, 1),
    "PermuteBackward0": lambda x: x.permute(1, 0),
    "SelectBackward0": lambda x: x[0],
    "SliceBackward0": lambda x: x[:1],
    "UnsqueezeBackward0": lambda x: x[None],
    "IndexBackward0": lambda x: x[[0]],
    "ExpandBackward0": lambda x: x.expand(3, 2, 2),
    "CloneBackward0": lambda x: x.clone(),
    "ToCopyBackward0": lambda x: x.double(),
    "CatBackward0": lambda x: torch.cat([x, x]),
    "StackBackward0": lambda x: torch.stack([x, x]),
    "WhereBackward0": lambda x: torch.where(x > 0, x, x),
    "MaskedFillBackward0": lambda x: x.masked_fill(x > 0, 0),
    "GatherBackward0": lambda x: x.gather(0, torch.zeros(1, 2, dtype=torch.int64)),
    "UnbindBackward0": lambda x: x.unbind()[0],
    "SplitBackward0": lambda x: x.split(1)[0],
    "SoftmaxBackward0": lambda x: x.softmax(0),
    "LogSoftmaxBackward0": lambda x: x.log_softmax(0),
    "MseLossBackward0": lambda x: torch.nn.functional.mse_loss(x, torch.zeros(2, 2)),
    "NllLossBackward0": lambda x: torch.nn.functional.nll_loss(x, torch.tensor([0, 1])),
    "AddmmBackward0": lambda x: torch.nn.functional.linear(torch.ones(3, 2), x, torch.zeros(2)),
    "StdBackward0": lambda x: x.std(),
    "ProdBackward0": lambda x: x.prod(),
}


@pytest.mark.parametrize("name", NAMES)
def test_grad_fn_names_are_pytorchs(name):
    result = NAMES[name](matrix())
    assert result.grad_fn.name() == name
    assert type(result.grad_fn).__name__ == name
    assert f"grad_fn=<{name}>" in repr(result)


def test_grad_fn_prints_its_name_and_address():
    assert repr(leaf(1.0).exp().grad_fn).startswith("<ExpBackward0 object at 0x")


def test_grad_fn_is_the_same_object_each_time():
    y = leaf(1.0) * 2
    assert y.grad_fn is y.grad_fn


def test_grad_fn_is_none_for_leaves():
    assert leaf(1.0).grad_fn is None and torch.ones(1).grad_fn is None


def test_grad_fn_cannot_be_assigned():
    with pytest.raises(AttributeError):
        (leaf(1.0) * 2).grad_fn = None


def test_next_functions_lead_to_the_leaves():
    x, w = leaf(1.0), leaf(2.0)
    y = (x * w).exp()
    ((multiplication, index),) = y.grad_fn.next_functions
    assert multiplication.name() == "MulBackward0" and index == 0
    (first, _), (second, _) = multiplication.next_functions
    assert first.name() == "torch::autograd::AccumulateGrad" == second.name()
    assert first.variable is x and second.variable is w
    assert first.next_functions == ()


def test_next_functions_number_the_outputs():
    x = matrix()
    a, b = x.unbind()
    (node_a, index_a), (node_b, index_b) = (a * b).grad_fn.next_functions
    assert node_a is node_b and (index_a, index_b) == (0, 1)


def test_next_functions_have_none_where_nothing_is_tracked():
    y = leaf(1.0) * torch.ones(1)
    assert y.grad_fn.next_functions[1] == (None, 0)


def test_a_leaf_has_one_accumulator():
    x = leaf(1.0)
    y, z = x * 2, x + 1
    assert y.grad_fn.next_functions[0][0] is z.grad_fn.next_functions[0][0]


def test_saved_tensors_can_be_read():
    x, w = leaf(2.0), leaf(5.0)
    node = (x * w).grad_fn
    assert node._saved_self is x or node._saved_self.item() == 2
    assert node._saved_other.item() == 5
    result = x.exp()
    assert result.grad_fn._saved_result.item() == result.item()


def test_saved_tensors_are_gone_after_backward():
    x = leaf(2.0)
    y = x * x
    node = y.grad_fn
    y.backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        node._saved_self


def test_tensor_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[3, 3]] and x.grad.tolist() == [3, 3]
    handle.remove()
    x.register_hook(lambda g: g * 10)
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [30, 30] and len(seen) == 1


def test_tensor_hooks_of_inner_tensors():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    (y * 3).backward()
    assert x.grad.tolist() == [(3 + 1) * 2]


def test_tensor_hooks_run_in_order():
    x = leaf(1.0)
    order = []
    x.register_hook(lambda g: order.append("a"))
    middle = x.register_hook(lambda g: order.append("b"))
    x.register_hook(lambda g: order.append("c"))
    (x * 1).backward()
    middle.remove()
    middle.remove()
    (x * 1).backward()
    assert order == ["a", "b", "c", "a", "c"]


def test_a_hook_handle_is_a_context():
    x = leaf(1.0)
    seen = []
    with x.register_hook(lambda g: seen.append(1)):
        (x * 1).backward()
    (x * 1).backward()
    assert seen == [1]


def test_a_hook_sees_the_whole_gradient_once():
    x = leaf(1.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 2 + y * 3).backward()
    assert seen == [5]


def test_a_hook_may_not_change_the_shape():
    x = leaf(1.0, 2.0)
    y = x * 1
    y.register_hook(lambda g: torch.ones(3))
    with pytest.raises(RuntimeError, match="hook.*has changed the size of value|changed the size"):
        y.sum().backward()


def test_a_hook_must_return_a_tensor_or_none():
    y = leaf(1.0) * 1
    y.register_hook(lambda g: 5)
    with pytest.raises((TypeError, RuntimeError)):
        y.backward()


def test_an_exception_in_a_hook_comes_through_whole():
    class Stop(Exception):
        pass

    def refuse(g):
        raise Stop("here")

    x = leaf(1.0)
    x.register_hook(refuse)
    with pytest.raises(Stop, match="here"):
        (x * 2).backward()
    assert x.grad is None


def test_hooks_need_requires_grad():
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(1).register_hook(lambda g: g)


def test_node_hooks():
    x = leaf(2.0)
    y = x * 3
    seen = []
    handle = y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].item(), outputs[0].item())))
    y.backward(torch.tensor([5.0]))
    assert seen == [(15, 5)]
    handle.remove()


def test_node_prehooks():
    x = leaf(2.0)
    y = x * 3
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    y.backward()
    assert x.grad.tolist() == [6]


def test_post_accumulate_grad_hooks():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.item())))
    (x * 4).backward()
    assert seen == [(True, 4)]
    with pytest.raises(RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"):
        (x * 1).register_post_accumulate_grad_hook(lambda t: None)


def test_hooks_run_under_autograd_grad():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    torch.autograd.grad(y * 3, x)
    assert seen == [3]


def test_hooks_survive_in_place_writes():
    x = leaf(1.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.mul_(2)
    (y * 5).backward()
    assert seen == [10]


def test_functions_written_in_python():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = leaf(2.0)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"
    y.backward()
    assert x.grad.tolist() == [12]

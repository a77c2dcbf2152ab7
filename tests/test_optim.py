"""Optimizers: six steps as PyTorch takes them, groups, state, closures, hooks and refusals."""

import copy
import pickle

import pytest

import rustorch as torch
from rustorch import nn

STEPS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}, [1.28297, -2.56595, 4.34061]),
    ("SGD", {"lr": 0.1}, [1.0, -2.0, 3.0]),
    ("Adam", {"lr": 0.1}, [1.33894, -2.33894, 3.33894]),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}, [1.2924, -2.2965, 3.30854]),
    ("AdamW", {"lr": 0.1, "maximize": True}, [0.65634, -1.65036, 2.64437]),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True}, [2.72652, -3.72652, 4.72652]),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}, [1.07625, -2.07625, 3.07625]),
    ("Adadelta", {}, [0.99944, -1.99944, 2.99944]),
    ("Adamax", {"lr": 0.1}, [1.27064, -2.27064, 3.27064]),
    ("NAdam", {"lr": 0.1}, [1.0459, -2.0459, 3.0459]),
    ("RAdam", {"lr": 0.1}, [1.35267, -2.7058, 4.41205]),
    ("Rprop", {"lr": 0.1}, [1.2056, -2.2056, 3.2056]),
    ("ASGD", {"lr": 0.1, "t0": 1}, [0.99994, -1.99988, 2.99981]),
]


def take_steps(optimizer, params, count=6):
    for i in range(count):
        for p in params:
            p.grad = torch.tensor([0.5, -1.0, 2.0], dtype=p.dtype) * (i - 2.5)
        optimizer.step()


def parameter(dtype=torch.float32):
    return nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("name", "settings", "expected"), STEPS, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(STEPS)]
)
def test_six_steps(name, settings, expected, dtype):
    p, other = parameter(dtype), parameter(dtype)
    take_steps(getattr(torch.optim, name)([p, other], **settings), [p, other])
    assert p.tolist() == pytest.approx(expected, abs=2e-5)
    assert torch.equal(p, other)


@pytest.mark.parametrize(
    ("name", "settings", "expected"), STEPS[:5], ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(STEPS[:5])]
)
def test_parameters_with_gaps_in_memory_step_alike(name, settings, expected):
    p = nn.Parameter(torch.tensor([[1.0, 0.0], [-2.0, 0.0], [3.0, 0.0]])[:, 0])
    assert not p.is_contiguous()
    take_steps(getattr(torch.optim, name)([p], **settings), [p])
    assert p.tolist() == pytest.approx(expected, abs=2e-5)


def test_steps_count_as_writes():
    p = parameter()
    optimizer = torch.optim.Adam([p])
    take_steps(optimizer, [p], 2)
    version = p._version
    y = (p * p).sum()
    take_steps(optimizer, [p], 1)
    assert p._version > version
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_state_is_pytorchs():
    p = parameter()
    optimizer = torch.optim.Adam([p], amsgrad=True)
    take_steps(optimizer, [p], 3)
    state = optimizer.state[p]
    assert list(state) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert state["step"].item() == 3 and state["step"].dtype == torch.float32 and state["step"].dim() == 0
    q = parameter()
    sgd = torch.optim.SGD([q], lr=0.1, momentum=0.9)
    take_steps(sgd, [q], 1)
    assert list(sgd.state[q]) == ["momentum_buffer"]
    assert sgd.state[q]["momentum_buffer"].tolist() == [-1.25, 2.5, -5.0]


def test_state_dict_resumes_exactly():
    p, q = parameter(), parameter()
    first = torch.optim.Adam([p], lr=0.1)
    take_steps(first, [p], 3)
    saved = copy.deepcopy(first.state_dict())
    assert list(saved) == ["state", "param_groups"] and saved["param_groups"][0]["params"] == [0]
    second = torch.optim.Adam([q], lr=0.5)
    second.load_state_dict(saved)
    with torch.no_grad():
        q.copy_(p)
    take_steps(first, [p], 2)
    take_steps(second, [q], 2)
    assert torch.equal(p, q) and second.param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        torch.optim.Adam([parameter(), parameter()]).load_state_dict(saved)


def test_replaced_state_is_used():
    p = parameter()
    optimizer = torch.optim.SGD([p], lr=1.0, momentum=0.5)
    take_steps(optimizer, [p], 1)
    optimizer.state[p]["momentum_buffer"] = torch.zeros(3)
    before = p.detach().clone()
    p.grad = torch.ones(3)
    optimizer.step()
    assert (before - p).tolist() == pytest.approx([1, 1, 1], abs=1e-6)


def test_groups_have_settings_of_their_own():
    p, q = parameter(), parameter()
    optimizer = torch.optim.SGD([{"params": [p]}, {"params": q, "lr": 1.0}], lr=0.5)
    for tensor in (p, q):
        tensor.grad = torch.ones(3)
    optimizer.step()
    assert p.tolist() == [0.5, -2.5, 2.5] and q.tolist() == [0.0, -3.0, 2.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.0]


def test_parameters_without_gradients_rest():
    p, q = parameter(), parameter()
    optimizer = torch.optim.Adam([p, q], lr=0.1)
    p.grad = torch.ones(3)
    optimizer.step()
    assert q.tolist() == [1, -2, 3] and q not in optimizer.state
    q.grad = torch.ones(3)
    optimizer.step()
    assert optimizer.state[q]["step"].item() == 1 and optimizer.state[p]["step"].item() == 2


def test_zero_grad():
    p = parameter()
    optimizer = torch.optim.SGD([p], lr=0.1)
    p.grad = torch.ones(3)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0, 0]
    optimizer.zero_grad()
    assert p.grad is None


def test_zero_grad_cuts_a_gradient_from_its_graph():
    p = parameter()
    (gradient,) = torch.autograd.grad((p**3).sum(), p, create_graph=True)
    p.grad = gradient
    torch.optim.SGD([p], lr=0.1).zero_grad(set_to_none=False)
    assert p.grad is gradient and not gradient.requires_grad and gradient.tolist() == [0, 0, 0]


def test_closure_is_called_with_gradients_on():
    p = parameter()
    optimizer = torch.optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 14
    assert p.tolist() == pytest.approx([0.8, -1.6, 2.4])


def test_hooks_around_a_step():
    p = parameter()
    optimizer = torch.optim.SGD([p], lr=0.1)
    order = []
    before = optimizer.register_step_pre_hook(lambda opt, args, kwargs: order.append("before"))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: order.append("after"))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert order == ["before", "after", "after"]


def test_printing():
    text = repr(torch.optim.SGD([parameter()], lr=0.1))
    assert text == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n "
        "   lr: 0.1\n"
        "    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "optimizer got an empty parameter list", lambda: torch.optim.SGD([])),
        (TypeError, "should be an iterable of Tensors or dicts, but got torch.FloatTensor", lambda:
        torch.optim.SGD(torch.ones(1))),
        (TypeError, "optimizer can only optimize Tensors, but one of the params is int", lambda: torch.optim.SGD([3])),
        (ValueError, "can't optimize a non-leaf Tensor", lambda: torch.optim.SGD([parameter() * 2])),
        (ValueError, "Invalid learning rate: -1", lambda: torch.optim.Adam([parameter()], lr=-1)),
        (ValueError, "Invalid beta parameter at index 1: 1.0", lambda: torch.optim.Adam([parameter()], betas=(0.9,
        1.0))),
        (ValueError, "Invalid momentum value: -1", lambda: torch.optim.SGD([parameter()], momentum=-1)),
        (ValueError, "Nesterov momentum requires a momentum and zero dampening", lambda:
        torch.optim.SGD([parameter()], nesterov=True)),
        (ValueError, "some parameters appear in more than one parameter group", lambda: _shared_parameter()),
        (TypeError, "optimizer parameters need to be organized in ordered collections", lambda:
        torch.optim.SGD([{"params": {parameter()}}])),
        (NotImplementedError, "differentiable=True is not implemented", lambda: _differentiable_step()),
    ],
)  # fmt: skip
def test_refusals(error, message, act):
    with pytest.raises(error, match=message):
        act()


def _shared_parameter():
    p = parameter()
    torch.optim.SGD([{"params": [p]}, {"params": [p]}])


def _differentiable_step():
    torch.optim.Adam([parameter()], differentiable=True).step()


def test_names_of_parameters_are_kept():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_learning_rate_may_be_a_tensor():
    p = parameter()
    p.grad = torch.ones(3)
    torch.optim.SGD([p], lr=torch.tensor(0.5)).step()
    assert p.tolist() == [0.5, -2.5, 2.5]


def test_pickle():
    optimizer = torch.optim.Adam([parameter()], lr=0.3)
    back = pickle.loads(pickle.dumps(optimizer))
    assert back.param_groups[0]["lr"] == 0.3
    back.step()


def test_training_fits_a_line():
    torch.manual_seed(0)
    x = torch.rand(64, 1)
    y = 3 * x - 1
    net = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
    assert net.weight.item() == pytest.approx(3, abs=0.02) and net.bias.item() == pytest.approx(-1, abs=0.02)

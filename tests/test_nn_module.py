"""Module: registration and its refusals, attributes, walks, modes, conversions, printing, copies."""

import copy
import pickle

import pytest

import rustorch as torch
from rustorch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x):
        return self.out(self.hidden(x)) * self.scale


def test_assigned_parameters_and_modules_register():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "hidden", "out"]
    assert [name for name, _ in net.named_buffers()] == ["scale"]
    assert net(torch.ones(5, 3)).shape == (5, 2)


def test_assignment_moves_a_name_between_registers():
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(torch.zeros(2))
    assert "x" not in module.__dict__ and list(module._parameters) == ["x"]
    module.x = None
    assert module.x is None and list(module.parameters()) == []
    del module.x
    module.x = nn.ReLU()
    assert list(module._modules) == ["x"] and list(module._parameters) == []


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (TypeError, r"cannot assign 'torch.FloatTensor' as parameter 'weight' \(torch.nn.Parameter or None expected\)",
         lambda: setattr(nn.Linear(1, 1), "weight", torch.zeros(1))),
        (TypeError, r"cannot assign 'int' as child module 'out' \(torch.nn.Module or None expected\)", lambda:
        setattr(Net(), "out", 3)),
        (TypeError, r"cannot assign 'int' as buffer 'scale' \(torch.nn.Buffer, torch.Tensor or None expected\)",
         lambda: setattr(Net(), "scale", 3)),
        (KeyError, "attribute 'hidden' already exists", lambda: Net().register_buffer("hidden", torch.zeros(1))),
        (KeyError, r'parameter name can.*t contain "."', lambda: Net().register_parameter("a.b",
        nn.Parameter(torch.zeros(1)))),
        (KeyError, 'buffer name can.*t be empty string ""', lambda: Net().register_buffer("", torch.zeros(1))),
        (TypeError, "int is not a Module subclass", lambda: Net().add_module("x", 3)),
        (TypeError, "buffer name should be a string. Got int", lambda: Net().register_buffer(3, torch.zeros(1))),
        (ValueError, "Cannot assign non-leaf Tensor to parameter 'x'", lambda: _assign_non_leaf()),
        (AttributeError, "'Net' object has no attribute 'nothing'", lambda: Net().nothing),
        (ValueError, "training mode is expected to be boolean", lambda: Net().train(1)),
        (TypeError, "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64",
         lambda: Net().to(torch.int64)),
        (NotImplementedError, r'Module \[Module\] is missing the required "forward" function', lambda: nn.Module()(1)),
        (TypeError, r"Net.__init__\(\) takes 1 positional argument but 2 were given", lambda: Net.__init__(Net(), 3)
        or nn.Module.__init__(Net(), 3)),
    ],
)  # fmt: skip
def test_refusals(error, message, act):
    with pytest.raises(error, match=message):
        act()


def _assign_non_leaf():
    parameter = nn.Parameter(torch.zeros(1))
    non_leaf = parameter * 2
    non_leaf._is_param = True
    Net().x = non_leaf


@pytest.mark.parametrize(
    ("value", "what"),
    [(lambda: nn.Parameter(torch.zeros(1)), "parameters"), (lambda: nn.ReLU(), "module")],
)
def test_assignment_before_init_is_refused(value, what):
    class Late(nn.Module):
        def __init__(self):
            self.x = value()

    with pytest.raises(AttributeError, match=rf"cannot assign {what} before Module.__init__\(\) call"):
        Late()


def test_members_are_counted_once():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, shared)
    assert len(list(net.parameters())) == 2
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(list(net.children())) == 1 and len(list(net.modules())) == 2


def test_dotted_names_find_members():
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 3)))
    assert net.get_submodule("0.0") is net[0][0] and net.get_submodule("") is net
    assert net.get_parameter("0.0.weight") is net[0][0].weight
    with pytest.raises(AttributeError, match="Sequential has no attribute `1`"):
        net.get_submodule("0.1")
    with pytest.raises(AttributeError, match="`bias` is not a buffer"):
        net.get_buffer("0.0.bias")
    net.set_submodule("0.0", nn.ReLU())
    assert isinstance(net[0][0], nn.ReLU)


def test_modes_and_gradients_reach_the_whole_tree():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout()))
    assert not net.eval()[1][0].training and net.train()[1][0].training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net[0](torch.ones(1, 2)).sum().backward()
    weight = net[0].weight
    net.zero_grad(set_to_none=False)
    assert weight.grad.tolist() == [[0, 0], [0, 0]]
    net.zero_grad()
    assert weight.grad is None


def test_apply_visits_children_first():
    seen = []
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_conversion_keeps_the_parameter_and_casts_its_gradient():
    net = Net()
    net.register_buffer("count", torch.tensor(3))
    weight = net.hidden.weight
    net(torch.ones(1, 3)).sum().backward()
    assert net.double() is net
    assert net.hidden.weight is weight and weight.dtype == torch.float64 and weight.grad.dtype == torch.float64
    assert net.scale.dtype == torch.float64 and net.count.dtype == torch.int64
    assert net.to(torch.zeros(1)).scale.dtype == torch.float32
    assert weight.is_leaf and weight.requires_grad


def test_printing():
    net = nn.Sequential()
    net.add_module("first", nn.Linear(2, 3, bias=False))
    net.add_module("inner", nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 2, 3, padding=1)))
    assert repr(net) == (
        "Sequential(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=False)\n"
        "  (inner): Sequential(\n"
        "    (0): ReLU(inplace=True)\n"
        "    (1): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_dir_names_members():
    names = dir(Net())
    assert {"hidden", "out", "scale", "forward"} <= set(names)
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_copies_are_independent_and_keep_ties():
    net = Net()
    net.tied = net.hidden
    other = copy.deepcopy(net)
    assert other.tied is other.hidden and other.hidden.weight is not net.hidden.weight
    with torch.no_grad():
        other.hidden.weight.zero_()
    assert net.hidden.weight.abs().sum().item() > 0
    assert isinstance(other.hidden.weight, nn.Parameter)


def test_pickle_brings_a_module_back():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    back = pickle.loads(pickle.dumps(net))
    assert repr(back) == repr(net)
    assert torch.equal(back[0].weight, net[0].weight) and isinstance(back[0].weight, nn.Parameter)


def test_parameter():
    data = torch.ones(2)
    parameter = nn.Parameter(data)
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert parameter.is_leaf and isinstance(parameter, torch.Tensor)
    with torch.no_grad():
        parameter.add_(1)
    assert data.tolist() == [2, 2]  # shared, not copied
    assert type(parameter * 2) is torch.Tensor
    assert not nn.Parameter(torch.ones(1), requires_grad=False).requires_grad
    assert nn.Parameter().numel() == 0


def test_buffer_mark():
    module = nn.Module()
    module.kept = nn.Buffer(torch.ones(1))
    module.dropped = nn.Buffer(torch.ones(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "dropped"]
    assert list(module.state_dict()) == ["kept"]
    module.kept = torch.zeros(1)
    assert module._buffers["kept"].item() == 0


def test_not_built_parts_name_themselves():
    with pytest.raises(NotImplementedError, match="share_memory"):
        nn.Linear(1, 1).share_memory()
    with pytest.raises(NotImplementedError, match="several devices"):
        nn.DataParallel(nn.ReLU(), device_ids=[0, 1])


def test_data_parallel_on_one_device_is_its_module():
    net = nn.Linear(2, 1)
    parallel = nn.DataParallel(net)
    x = torch.ones(3, 2)
    assert torch.equal(parallel(x), net(x))
    assert list(parallel.state_dict()) == ["module.weight", "module.bias"]


def test_a_weight_computed_from_others_is_used():
    class Doubled(nn.Linear):
        @property
        def weight(self):
            return self.base * 2

    layer = nn.Linear(2, 1, bias=False)
    layer.base = nn.Parameter(torch.ones(1, 2))
    del layer.weight
    layer.__class__ = Doubled
    assert layer(torch.ones(1, 2)).item() == 4


@pytest.mark.parametrize(
    ("package", "name"),
    [("nn", "LSTM"), ("nn.functional", "embedding_bag"), ("nn.utils", "weight_norm"), ("optim", "LBFGS")],
)
def test_names_that_are_not_built_say_so(package, name):
    found = torch
    for part in package.split("."):
        found = getattr(found, part)
    assert not hasattr(found, name)
    with pytest.raises(NotImplementedError, match=f"rustorch.{package}.{name} is not built yet"):
        getattr(found, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        found.nothing

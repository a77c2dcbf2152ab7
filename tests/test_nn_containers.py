"""Containers: lists and dictionaries of modules and parameters."""

from collections import OrderedDict

import pytest

import rustorch as torch
from rustorch import nn


def kinds(modules):
    return [type(module).__name__ for module in modules]


def test_sequential_as_a_list():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert len(net) == 3 and kinds(net[1:]) == ["Tanh", "Sigmoid"] and isinstance(net[-1], nn.Sigmoid)
    net[0] = nn.GELU()
    del net[1]
    assert kinds(net) == ["GELU", "Sigmoid"] and list(net._modules) == ["0", "1"]
    assert kinds(net.insert(1, nn.ReLU()).append(nn.SiLU())) == ["GELU", "ReLU", "Sigmoid", "SiLU"]
    assert isinstance(net.pop(0), nn.GELU) and kinds(net) == ["ReLU", "Sigmoid", "SiLU"]
    assert kinds(net + nn.Sequential(nn.Tanh())) == ["ReLU", "Sigmoid", "SiLU", "Tanh"]
    assert len(net * 2) == 6 and len(2 * net) == 6
    net *= 2
    net += nn.Sequential(nn.Tanh())
    assert len(net) == 7
    with pytest.raises(IndexError, match="index 7 is out of range"):
        net[7]
    with pytest.raises(ValueError, match="add operator supports only objects of Sequential class"):
        net + [nn.ReLU()]
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        net * 0


def test_sequential_with_names():
    net = nn.Sequential(OrderedDict([("fc1", nn.Linear(2, 3)), ("relu", nn.ReLU())]))
    assert net.fc1 is net[0] and net(torch.ones(1, 2)).shape == (1, 3)


def test_module_list():
    modules = nn.ModuleList([nn.Linear(1, 1), nn.ReLU()])
    modules.extend([nn.ReLU(), nn.Tanh()]).insert(0, nn.Identity())
    assert kinds(modules) == ["Identity", "Linear", "ReLU", "ReLU", "Tanh"]
    assert kinds(modules[-2:]) == ["ReLU", "Tanh"] and len(list(modules.parameters())) == 2
    del modules[0]
    assert repr(modules) == (
        "ModuleList(\n  (0): Linear(in_features=1, out_features=1, bias=True)\n  (1-2): 2 x ReLU()\n  (3): Tanh()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got int"):
        modules.extend(3)


def test_module_dict():
    modules = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    modules.update([("c", nn.Tanh())])
    assert list(modules) == ["a", "b", "c"] and "b" in modules and len(modules) == 3
    assert isinstance(modules.pop("a"), nn.ReLU) and kinds(modules.values()) == ["Linear", "Tanh"]
    modules.clear()
    assert len(modules) == 0
    with pytest.raises(ValueError, match="ModuleDict update sequence element #0 has length 1; 2 is required"):
        modules.update([(1,)])


def test_parameter_list():
    values = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(1)), "word"])
    assert len(values) == 3 and len(list(values.parameters())) == 2 and values[2] == "word"
    values.append(torch.ones(3))
    values[-1] = torch.zeros(1, 2)
    assert isinstance(values[0], nn.Parameter) and values[3].shape == (1, 2) and len(values[1:]) == 3
    assert repr(values) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Parameter containing: [torch.float32 of size 1]\n    (2): Object of type: str\n"
        "    (3): Parameter containing: [torch.float32 of size 1x2]\n)"
    )
    with pytest.raises(RuntimeError, match="ParameterList should not be called."):
        values()


def test_parameter_dict():
    values = nn.ParameterDict({"b": torch.ones(1), "a": torch.zeros(2)})
    assert list(values) == ["a", "b"] and values["a"].requires_grad  # a plain dict comes sorted
    values |= nn.ParameterDict({"c": torch.ones(1)})
    assert values.pop("a").shape == (2,) and values.popitem()[0] == "c" and values.get("none") is None
    assert [name for name, _ in values.named_parameters()] == ["b"]
    with pytest.raises(TypeError, match="cannot be used as a key as it is not a string"):
        values[3] = torch.ones(1)

"""Hooks of modules: forward, before forward, backward; their order, handles and refusals."""

import pytest

import rustorch as torch
from rustorch import nn
from rustorch.nn.modules import module as module_hooks


def test_forward_hook_may_replace_the_output_and_goes_away():
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda module, args, output: output + args[0])
    assert layer(torch.ones(1)).item() == 2
    handle.remove()
    handle.remove()
    assert layer(torch.ones(1)).item() == 1


def test_pre_hook_may_replace_the_arguments():
    layer = nn.Identity()
    with layer.register_forward_pre_hook(lambda module, args: args[0] * 3):
        assert layer(torch.ones(1)).item() == 3
    assert layer(torch.ones(1)).item() == 1


def test_hooks_with_keywords_and_in_front():
    class Scaled(nn.Module):
        def forward(self, x, factor=1):
            return x * factor

    seen = []
    layer = Scaled()
    layer.register_forward_pre_hook(lambda module, args, kwargs: (args, {"factor": 5}), with_kwargs=True)
    layer.register_forward_hook(lambda module, args, kwargs, output: seen.append(kwargs["factor"]), with_kwargs=True)
    layer.register_forward_hook(lambda module, args, output: seen.append("first"), prepend=True)
    assert layer(torch.ones(1), factor=2).item() == 5
    assert seen == ["first", 5]
    layer.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        layer(torch.ones(1))


def test_a_hook_that_is_always_called_sees_failures():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    seen = []
    layer = Broken()
    layer.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        layer(torch.ones(1))
    assert seen == [None]


def test_hooks_of_all_modules():
    seen = []
    handle = module_hooks.register_module_forward_hook(lambda module, args, output: seen.append(type(module).__name__))
    nn.Sequential(nn.ReLU(), nn.Tanh())(torch.ones(1))
    handle.remove()
    nn.ReLU()(torch.ones(1))
    assert seen == ["ReLU", "Tanh", "Sequential"]


def test_full_backward_hook_sees_and_changes_gradients():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 3.0]]))
    seen = []

    def hook(module, grad_input, grad_output):
        seen.append((grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 10,)

    layer.register_full_backward_hook(hook)
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [([[2, 3]], [[1]])]
    assert x.grad.tolist() == [[20, 30]]
    assert layer.weight.grad.tolist() == [[1, 1]]


def test_full_backward_pre_hook_changes_what_comes_in():
    layer = nn.Linear(2, 1, bias=False)
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 2,))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 2]]


def test_full_backward_hook_without_inputs_that_ask_warns():
    layer = nn.Linear(2, 1)
    seen = []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input))
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        layer(torch.ones(1, 2)).sum().backward()
    assert seen == [(None,)]


def test_the_two_kinds_of_backward_hooks_do_not_mix():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(lambda *args: None)


def test_registration_hooks():
    seen = []
    handle = module_hooks.register_module_parameter_registration_hook(lambda module, name, value: seen.append(name))
    nn.Linear(1, 1)
    handle.remove()
    nn.Linear(1, 1)
    assert seen == ["weight", "bias"]

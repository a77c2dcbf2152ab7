"""Gradient clipping, and parameters as one vector."""

import pytest

import rustorch as torch
from rustorch import nn


def with_gradients():
    p, q = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    p.grad, q.grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    return p, q


def test_clip_grad_norm_scales_all_gradients_together():
    p, q = with_gradients()
    assert nn.utils.clip_grad_norm_([p, q], 1.0).item() == pytest.approx(5)
    assert p.grad.tolist() == pytest.approx([0.6, 0]) and q.grad.tolist() == pytest.approx([0.8])
    assert nn.utils.clip_grad_norm_([p, q], 10.0).item() == pytest.approx(1)
    assert q.grad.tolist() == pytest.approx([0.8])


def test_other_norms_and_refusals():
    p, q = with_gradients()
    assert nn.utils.clip_grad_norm_([p, q], 100.0, norm_type=float("inf")).item() == 4
    assert nn.utils.clip_grad_norm_([p, q], 100.0, norm_type=1).item() == 7
    q.grad = torch.tensor([float("inf")])
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        nn.utils.clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([nn.Parameter(torch.zeros(1))], 1.0).item() == 0


def test_clip_grad_value():
    p, q = with_gradients()
    nn.utils.clip_grad_value_([p, q], 3.5)
    assert p.grad.tolist() == [3, 0] and q.grad.tolist() == [3.5]


def test_vector_and_back():
    net = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (6,)
    nn.utils.vector_to_parameters(torch.arange(6.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3]] and net.bias.tolist() == [4, 5]

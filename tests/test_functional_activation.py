"""Activations: values and gradients at seven places, as PyTorch gives them; in-place forms; refusals."""

import pytest

import rustorch as torch
import rustorch.nn.functional as F
from rustorch import nn

PLACES = [-4.0, -2.0, -0.5, 0.0, 0.5, 2.0, 4.0]

# name, arguments, values, gradients
CASES = [
    ("relu", (), [0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 4.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ("relu6", (), [0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 4.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ("hardtanh", (), [-1.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
    ("hardsigmoid", (), [0.0, 0.166667, 0.416667, 0.5, 0.583333, 0.833333, 1.0], [0.0, 0.166667, 0.166667, 0.166667,
    0.166667, 0.166667, 0.0]),
    ("hardswish", (), [-0.0, -0.333333, -0.208333, 0.0, 0.291667, 1.666667, 4.0], [0.0, -0.166667, 0.333333, 0.5,
    0.666667, 1.166667, 1.0]),
    ("hardshrink", (), [-4.0, -2.0, 0.0, 0.0, 0.0, 2.0, 4.0], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
    ("softshrink", (), [-3.5, -1.5, -0.0, 0.0, 0.0, 1.5, 3.5], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
    ("tanhshrink", (), [-3.000671, -1.035972, -0.037883, 0.0, 0.037883, 1.035972, 3.000671], [0.998659, 0.929349,
    0.213552, 0.0, 0.213552, 0.929349, 0.998659]),
    ("softsign", (), [-0.8, -0.666667, -0.333333, 0.0, 0.333333, 0.666667, 0.8], [0.04, 0.111111, 0.444444, 1.0,
    0.444444, 0.111111, 0.04]),
    ("logsigmoid", (), [-4.01815, -2.126928, -0.974077, -0.693147, -0.474077, -0.126928, -0.01815], [0.982014,
    0.880797, 0.622459, 0.5, 0.377541, 0.119203, 0.017986]),
    ("mish", (), [-0.072592, -0.252501, -0.220744, 0.0, 0.375245, 1.943959, 3.997413], [-0.053773, -0.108355,
    0.289511, 0.6, 0.886424, 1.069318, 1.004433]),
    ("selu", (), [-1.725899, -1.520167, -0.691758, 0.0, 0.525351, 2.101402, 4.202804], [0.032201, 0.237933, 1.066341,
    1.758099, 1.050701, 1.050701, 1.050701]),
    ("celu", (1.5,), [-1.395775, -1.104604, -0.425203, 0.0, 0.5, 2.0, 4.0], [0.069483, 0.263597, 0.716531, 1.0, 1.0,
    1.0, 1.0]),
    ("elu", (), [-0.981684, -0.864665, -0.393469, 0.0, 0.5, 2.0, 4.0], [0.018316, 0.135335, 0.606531, 1.0, 1.0, 1.0,
    1.0]),
    ("leaky_relu", (), [-0.04, -0.02, -0.005, 0.0, 0.5, 2.0, 4.0], [0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0]),
    ("softplus", (), [0.01815, 0.126928, 0.474077, 0.693147, 0.974077, 2.126928, 4.01815], [0.017986, 0.119203,
    0.377541, 0.5, 0.622459, 0.880797, 0.982014]),
    ("gelu", (), [-0.000127, -0.0455, -0.154269, 0.0, 0.345731, 1.9545, 3.999873], [-0.000504, -0.085232, 0.132505,
    0.5, 0.867495, 1.085232, 1.000504]),
    ("silu", (), [-0.071945, -0.238406, -0.18877, 0.0, 0.31123, 1.761594, 3.928055], [-0.052665, -0.090784, 0.260039,
    0.5, 0.739961, 1.090784, 1.052665]),
    ("threshold", (0.1, 20.0), [20.0, 20.0, 20.0, 20.0, 0.5, 2.0, 4.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "values", "gradients"), CASES, ids=[case[0] for case in CASES])
def test_values_and_gradients(name, arguments, values, gradients):
    x = torch.tensor(PLACES, requires_grad=True)
    y = getattr(F, name)(x, *arguments)
    y.sum().backward()
    assert y.tolist() == pytest.approx(values, abs=2e-6)
    assert x.grad.tolist() == pytest.approx(gradients, abs=2e-6)


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "elu", "selu", "celu", "leaky_relu", "silu", "mish", "hardtanh", "hardswish"]
)
def test_in_place_forms_write_to_their_input(name):
    x = torch.tensor(PLACES)
    expected = getattr(F, name)(x)
    result = getattr(F, name)(x, inplace=True)
    assert result is x and torch.equal(x, expected)


def test_softmax_family():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert F.softmax(x, dim=1).sum().item() == pytest.approx(1)
    assert torch.allclose(F.log_softmax(x, dim=1).exp(), F.softmax(x, dim=1))
    assert torch.allclose(F.softmin(x, dim=1), F.softmax(-x, dim=1))
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        assert torch.equal(F.softmax(x), F.softmax(x, dim=1))
    assert F.softmax(x, dim=1, dtype=torch.float64).dtype == torch.float64


def test_glu_halves():
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0]])
    assert F.glu(x).tolist() == [[0.5, 1.0]]
    with pytest.raises(RuntimeError, match="Halving dimension must be even, but dimension 1 is size 3"):
        F.glu(torch.ones(1, 3))


def test_prelu_has_a_slope_for_each_channel():
    x = -torch.ones(1, 2, 3)
    assert F.prelu(x, torch.tensor([0.5, 2.0])).tolist() == [[[-0.5] * 3, [-2.0] * 3]]
    with pytest.raises(RuntimeError, match="Mismatch of parameter numbers and input channel size"):
        F.prelu(x, torch.ones(3))


def test_rrelu_is_leaky_with_the_mean_slope_in_evaluation():
    x = torch.tensor([-1.0, 1.0])
    assert F.rrelu(x, 0.1, 0.3).tolist() == pytest.approx([-0.2, 1.0])
    drawn = F.rrelu(x, 0.1, 0.3, training=True)
    assert -0.3 <= drawn[0].item() <= -0.1 and drawn[1].item() == 1


def test_gumbel_softmax_hard_is_one_hot():
    x = torch.zeros(4, 3, requires_grad=True)
    y = F.gumbel_softmax(x, hard=True)
    assert y.sum(1).tolist() == pytest.approx([1] * 4) and set(y.detach().round().flatten().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.LeakyReLU(0.2, inplace=True), "LeakyReLU(negative_slope=0.2, inplace=True)"),
        (nn.Softmax(dim=1), "Softmax(dim=1)"),
        (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
        (nn.ReLU6(), "ReLU6()"),
        (nn.GELU("tanh"), "GELU(approximate='tanh')"),
        (nn.Hardswish(inplace=True), "Hardswish()"),
        (nn.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
        (nn.Threshold(0.1, 2), "Threshold(threshold=0.1, value=2)"),
        (nn.PReLU(3), "PReLU(num_parameters=3)"),
    ],
)
def test_printed_layers(layer, text):
    assert repr(layer) == text

"""Initial values: for one seed they are PyTorch's, in every layer and initialiser."""

import math

import pytest

import rustorch as torch
from rustorch import nn

LAYERS = [
    (lambda: nn.Linear(3, 2), [-0.004323, 0.309716, -0.475185, -0.424895, -0.222369, 0.154821], [-0.011439, 0.457775]),
    (lambda: nn.Conv2d(1, 2, 2), [-0.003743, 0.268222, -0.411523, -0.36797, -0.192577, 0.134079, -0.009907, 0.396445],
     [-0.044372, 0.132306]),
    (lambda: nn.Bilinear(1, 2, 2), [-0.007487, 0.536444, -0.823045, -0.735939], [-0.385154, 0.268157]),
    (lambda: nn.ConvTranspose1d(2, 1, 2), [-0.005294, 0.379323, -0.581981, -0.520387], [-0.272345]),
    (lambda: nn.Embedding(2, 3), [1.540996, -0.293429, -2.178789, 0.568431, -1.084522, -1.398595], None),
    (lambda: nn.BatchNorm1d(2), [1.0, 1.0], [0.0, 0.0]),
    (lambda: nn.PReLU(2), [0.25, 0.25], None),
]  # fmt: skip


@pytest.mark.parametrize(("make", "weight", "bias"), LAYERS)
def test_layers_start_as_pytorchs_with_seed_0(make, weight, bias):
    torch.manual_seed(0)
    layer = make()
    assert layer.weight.flatten().tolist() == pytest.approx(weight, abs=2e-6)
    if bias is not None:
        assert layer.bias.flatten().tolist() == pytest.approx(bias, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("xavier_uniform_", [-0.008201, 0.587645, -0.901601, -0.806181, -0.421915, 0.293752]),
        ("xavier_normal_", [0.974612, -0.185581, -1.377987, 0.359508, -0.685912, -0.884549]),
        ("kaiming_normal_", [1.258218, -0.239584, -1.778974, 0.464122, -0.885509, -1.141948]),
    ],
)
def test_initialisers_draw_as_pytorchs_with_seed_0(name, values):
    torch.manual_seed(0)
    weight = torch.empty(2, 3)
    assert getattr(nn.init, name)(weight) is weight
    assert weight.flatten().tolist() == pytest.approx(values, abs=2e-6)


def test_fixed_patterns():
    assert nn.init.eye_(torch.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert nn.init.dirac_(torch.empty(2, 2, 3)).tolist() == [[[0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 0]]]
    assert nn.init.constant_(torch.empty(2), 0.5).tolist() == [0.5, 0.5]
    parameter = nn.Parameter(torch.zeros(2))
    nn.init.ones_(parameter)
    assert parameter.is_leaf and parameter.tolist() == [1, 1]


def test_sparse_keeps_the_fraction_of_zeros():
    weight = nn.init.sparse_(torch.empty(10, 4), sparsity=0.3)
    assert (weight == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_gains():
    assert nn.init.calculate_gain("relu") == math.sqrt(2)
    assert nn.init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="Unsupported nonlinearity nothing"):
        nn.init.calculate_gain("nothing")
    with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
        nn.init.xavier_uniform_(torch.empty(3))
    with pytest.raises(ValueError, match="Mode both not supported"):
        nn.init.kaiming_uniform_(torch.empty(2, 2), mode="both")
    with pytest.warns(FutureWarning, match="`nn.init.uniform` is now deprecated in favor of `nn.init.uniform_`."):
        nn.init.uniform(torch.empty(1))

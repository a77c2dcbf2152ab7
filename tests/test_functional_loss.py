"""Losses: values as PyTorch gives them, reductions, and refusals."""

import pytest

import rustorch as torch
import rustorch.nn.functional as F
from rustorch import nn


def inputs():
    return torch.tensor([[0.2, -1.0, 0.5], [1.5, 0.3, -0.7]])


def targets():
    return torch.tensor([[1.0, 0.5, -0.5], [0.0, 0.3, 2.0]])


def signs():
    return torch.tensor([[1.0, 1.0, -1.0], [0.0, 1.0, 1.0]])


CASES = {
    "l1_loss": (lambda p, t: F.l1_loss(p, t), 1.25),
    "mse_loss": (lambda p, t: F.mse_loss(p, t), 2.238333),
    "smooth_l1_loss": (lambda p, t: F.smooth_l1_loss(p, t, beta=0.5), 1.041667),
    "huber_loss": (lambda p, t: F.huber_loss(p, t, delta=0.7), 0.670833),
    "soft_margin_loss": (lambda p, t: F.soft_margin_loss(p, signs()), 0.872694),
    "hinge_embedding_loss": (lambda p, t: F.hinge_embedding_loss(p, signs()), 0.133333),
    "binary_cross_entropy_with_logits": (lambda p, t: F.binary_cross_entropy_with_logits(p, p.sigmoid()), 0.620959),
    "binary_cross_entropy": (lambda p, t: F.binary_cross_entropy(p.sigmoid(), t.sigmoid()), 0.837689),
    "kl_div": (lambda p, t: F.kl_div(F.log_softmax(p, 1), F.softmax(t, 1), reduction="batchmean"), 0.923373),
    "poisson_nll_loss": (lambda p, t: F.poisson_nll_loss(p, t.abs()), 1.821023),
    "margin_ranking_loss": (
        lambda p, t: F.margin_ranking_loss(p[0], p[1], torch.tensor([1.0, -1.0, 1.0]), margin=0.1),
        0.466667,
    ),
    "cosine_embedding_loss": (lambda p, t: F.cosine_embedding_loss(p, t, torch.tensor([1.0, -1.0])), 0.697693),
    "multi_margin_loss": (lambda p, t: F.multi_margin_loss(p, torch.tensor([2, 0])), 0.116667),
    "multilabel_margin_loss": (
        lambda p, t: F.multilabel_margin_loss(p, torch.tensor([[1, 2, -1], [0, -1, 1]])),
        0.483333,
    ),
    "multilabel_soft_margin_loss": (lambda p, t: F.multilabel_soft_margin_loss(p, signs().clamp(min=0)), 1.040739),
    "triplet_margin_loss": (lambda p, t: F.triplet_margin_loss(p, t, t.flip(0)), 2.245774),
    "gaussian_nll_loss": (lambda p, t: F.gaussian_nll_loss(p, t, p.abs() + 0.1), 1.172941),
    "cross_entropy": (lambda p, t: F.cross_entropy(p, torch.tensor([2, 0])), 0.509981),
    "nll_loss": (lambda p, t: F.nll_loss(p, torch.tensor([2, 0])), -1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    compute, value = CASES[name]
    p = inputs().requires_grad_()
    loss = compute(p, targets())
    assert loss.item() == pytest.approx(value, abs=2e-6)
    loss.backward()
    assert p.grad.shape == p.shape


def test_reductions():
    p, t = inputs(), targets()
    each = F.mse_loss(p, t, reduction="none")
    assert each.shape == p.shape
    assert F.mse_loss(p, t, reduction="sum").item() == pytest.approx(each.sum().item(), rel=1e-6)
    with pytest.raises(ValueError, match="most is not a valid value for reduction"):
        F.mse_loss(p, t, reduction="most")
    with pytest.warns(
        UserWarning, match="size_average and reduce args will be deprecated, please use reduction='sum' instead."
    ):
        assert nn.MSELoss(size_average=False).reduction == "sum"


def test_different_sizes_warn_or_are_refused():
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(torch.ones(2, 1), torch.ones(2))
    with pytest.raises(ValueError, match=r"Target size \(torch.Size\(\[3\]\)\) must be the same as input size"):
        F.binary_cross_entropy_with_logits(torch.ones(2), torch.ones(3))
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        F.binary_cross_entropy(torch.tensor([2.0]), torch.ones(1))


def test_layers_are_their_functions():
    p, labels = inputs(), torch.tensor([2, 0])
    weight = torch.tensor([1.0, 2.0, 3.0])
    criterion = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)
    assert list(criterion.state_dict()) == ["weight"]
    assert torch.equal(criterion(p, labels), F.cross_entropy(p, labels, weight, label_smoothing=0.1))
    assert torch.allclose(nn.NLLLoss()(nn.LogSoftmax(dim=1)(p), labels), nn.CrossEntropyLoss()(p, labels))
    assert repr(nn.MSELoss()) == "MSELoss()"
    with pytest.raises(ValueError, match="only p == 1 and p == 2 supported"):
        nn.MultiMarginLoss(p=3)

"""Averages of models: plain and exponential, their schedules, and the batch norms' statistics."""

import pytest

import rustorch as torch
from rustorch import nn
from rustorch.optim import swa_utils


def filled(value):
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(value)
    return layer


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda model: swa_utils.AveragedModel(model), [1, 1.5, 2]),
        (lambda model: swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.5)), [1, 1.5, 2.25]),
        (
            lambda model: swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5)),
            [1, 1.5, 2.25],
        ),
    ],
)
def test_averages(make, expected):
    averaged = make(filled(0.0))
    seen = []
    for value in (1.0, 2.0, 3.0):
        averaged.update_parameters(filled(value))
        seen.append(averaged.module.weight.item())
    assert seen == pytest.approx(expected)
    assert averaged.n_averaged.item() == 3 and averaged(torch.ones(1, 1)).shape == (1, 1)


def test_swalr_goes_to_its_rate():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1.0, 0.75, 0.5, 0.5])


def test_update_bn_averages_the_batches():
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    batches = [torch.tensor([[0.0], [2.0]]), (torch.tensor([[4.0], [6.0]]), "label")]
    swa_utils.update_bn(batches, model)
    assert model[0].running_mean.item() == pytest.approx(3) and model[0].momentum == 0.1 and not model.training

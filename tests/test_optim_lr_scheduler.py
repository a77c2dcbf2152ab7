"""Schedules: the rates of the first epochs, state, combinations and warnings."""

import math

import pytest

import rustorch as torch
from rustorch import nn
from rustorch.optim import lr_scheduler as schedules


def optimizer(lr=1.0, **settings):
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, **settings)


def rates(make, epochs=6, opt=None):
    opt = opt or optimizer()
    schedule = make(opt)
    seen = []
    for _ in range(epochs):
        seen.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return seen


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: schedules.StepLR(o, 2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
        (lambda o: schedules.MultiStepLR(o, [1, 3], gamma=0.5), [1, 0.5, 0.5, 0.25, 0.25, 0.25]),
        (lambda o: schedules.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (lambda o: schedules.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1, 1, 1]),
        (lambda o: schedules.LinearLR(o, 0.5, 1.0, 2), [0.5, 0.75, 1, 1, 1, 1]),
        (lambda o: schedules.PolynomialLR(o, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
        (lambda o: schedules.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]),
        (lambda o: schedules.MultiplicativeLR(o, lambda epoch: 0.5), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (lambda o: schedules.CosineAnnealingLR(o, 4), [(1 + math.cos(math.pi * i / 4)) / 2 for i in range(6)]),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2), [1, 0.5, 1, 0.5, 1, 0.5]),
        (lambda o: schedules.CyclicLR(o, 0.0, 1.0, 2, cycle_momentum=False), [0, 0.5, 1, 0.5, 0, 0.5]),
        (lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 10), schedules.ExponentialLR(o, 0.5)], [2]),
         [0.5, 0.5, 1, 0.5, 0.25, 0.125]),
        (lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)]),
         [0.5, 0.25, 0.25, 0.125, 0.0625, 0.03125]),
    ],
)  # fmt: skip
def test_rates(make, expected):
    assert rates(make) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_goes_up_and_down_and_turns_the_momentum():
    opt = optimizer(momentum=0.9)
    schedule = schedules.OneCycleLR(opt, max_lr=1.0, total_steps=10)
    seen = []
    for _ in range(10):
        seen.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        schedule.step()
    assert seen[0] == pytest.approx((0.04, 0.95)) and seen[2] == pytest.approx((1.0, 0.85))
    assert seen[9] == pytest.approx((0.04 / 1e4, 0.95))
    with pytest.raises(ValueError, match="Tried to step 11 times. The specified number of total steps is 10"):
        schedule.step()


def test_plateau_waits_and_reduces():
    opt = optimizer()
    schedule = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    for metric in (1.0, 1.0, 1.0):
        schedule.step(metric)
    assert opt.param_groups[0]["lr"] == 0.5 and schedule.get_last_lr() == [0.5]


def test_state_dict_resumes():
    first, second = optimizer(), optimizer()
    schedule, other = schedules.StepLR(first, 2, 0.5), schedules.StepLR(second, 5, 0.1)
    for _ in range(3):
        first.step()
        schedule.step()
    other.load_state_dict(schedule.state_dict())
    assert other.last_epoch == 3 and other.step_size == 2 and "optimizer" not in schedule.state_dict()


def test_stepping_ahead_of_the_optimizer_warns():
    schedule = schedules.StepLR(optimizer(), 1)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()


def test_asking_from_outside_warns():
    schedule = schedules.ExponentialLR(optimizer(), 0.5)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()


def test_refusals():
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        schedules.StepLR(3, 1)
    with pytest.raises(KeyError, match="param 'initial_lr' is not specified"):
        schedules.StepLR(optimizer(), 1, last_epoch=3)
    with pytest.raises(ValueError, match="Expected positive integer T_0, but got 0"):
        schedules.CosineAnnealingWarmRestarts(optimizer(), 0)
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        schedules.CyclicLR(torch.optim.Adagrad([nn.Parameter(torch.zeros(1))]), 0.1, 1.0)

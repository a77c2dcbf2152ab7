"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.optim.optimizer import Parameters, scalar
from rustorch.optim.per_parameter import PerParameter, check_lr, check_not_negative, new_step, zeros_of

__all__ = ["ASGD"]


class ASGD(PerParameter):
    """Gradient descent with a decaying rate, whose state ``ax`` is the average of the parameters from step ``t0``
    on."""

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = new_step()
        state["eta"] = rustorch.tensor(scalar(group["lr"]), dtype=rustorch.float32)
        state["mu"] = rustorch.ones((), dtype=rustorch.float32)
        state["ax"] = zeros_of(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, lambd = scalar(group["lr"]), group["lambd"]
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        eta = state["eta"].item()
        param.mul_(1 - lambd * eta)
        param.add_(grad, alpha=-eta)
        if state["mu"].item() == 1:
            state["ax"].copy_(param)
        else:
            state["ax"].add_(param.sub(state["ax"]).mul_(state["mu"]))
        state["eta"].fill_(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))

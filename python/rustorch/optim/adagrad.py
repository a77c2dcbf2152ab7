"""Adagrad."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.optim.optimizer import Parameters, scalar
from rustorch.optim.per_parameter import PerParameter, check_lr, check_not_negative, check_together, new_step

__all__ = ["Adagrad"]


class Adagrad(PerParameter):
    """Divides the gradient by the root of the sum of all its squares so far; that state is there from the start."""

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("Invalid lr_decay value", lr_decay)
        check_not_negative("Invalid weight_decay value", weight_decay)
        check_not_negative("Invalid initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("Invalid epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_together(fused, foreach, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self._start(self.state[param], param, group)

    def share_memory(self) -> None:
        """Not built: tensors cannot be placed in memory shared between processes yet."""
        raise NotImplementedError("rustorch.optim.Adagrad.share_memory is not implemented")

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = new_step()
        start = group["initial_accumulator_value"]
        state["sum"] = rustorch.full_like(param, complex(start, start) if param.is_complex() else start)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        lr = scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        state["sum"].addcmul_(grad, grad, value=1)
        param.addcdiv_(grad, state["sum"].sqrt().add_(group["eps"]), value=-lr)

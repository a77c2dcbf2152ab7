"""RAdam: Adam with a rectified beginning."""

from __future__ import annotations

from typing import Any

from rustorch._C import Tensor
from rustorch.optim.optimizer import Parameters, scalar
from rustorch.optim.per_parameter import PerParameter, check_betas, check_lr, check_not_negative, new_step, zeros_of

__all__ = ["RAdam"]


class RAdam(PerParameter):
    """Adam that steps along the mean alone until the mean of squares can be trusted, and then rectifies it."""

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = new_step()
        state["exp_avg"] = zeros_of(param)
        state["exp_avg_sq"] = zeros_of(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = scalar(group["lr"]), group["betas"]
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad.add(param, alpha=group["weight_decay"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction1, correction2 = 1 - beta1**step, 1 - beta2**step
        direction = mean / correction1 * lr
        # The length of the approximated simple moving average, and its limit.
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * beta2**step / correction2
        if length > 5.0:
            rectified = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
            direction = direction * (correction2**0.5 / square.sqrt().add_(group["eps"])) * rectified
        param.add_(direction, alpha=-1.0)

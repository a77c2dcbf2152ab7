"""Adam."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch import _C
from rustorch._C import Tensor
from rustorch.optim.optimizer import Closure, Parameters, loss_of, scalar
from rustorch.optim.per_parameter import (
    PerParameter,
    check_betas,
    check_lr,
    check_not_negative,
    check_together,
    new_step,
    zeros_of,
)

__all__ = ["Adam"]

_native_step = getattr(_C, "_adam_step", None)


class Adam(PerParameter):
    """Steps along the mean of the gradients over the root of the mean of their squares, both decaying by ``betas``.

    ``amsgrad`` divides by the largest mean of squares so far; ``weight_decay * p`` is added to the gradient, or with
    ``decoupled_weight_decay`` taken from the parameter. State: ``step``, ``exp_avg``, ``exp_avg_sq``
    (``max_exp_avg_sq``).

    >>> import rustorch as torch
    >>> p = torch.nn.Parameter(torch.ones(1))
    >>> p.grad = torch.ones(1)
    >>> optimizer = torch.optim.Adam([p], lr=0.5)
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.5
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_together(fused, foreach, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("decoupled_weight_decay", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returned."""
        loss = None if closure is None else loss_of(closure)
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            # The native step refuses, before it changes anything, what it is not made for: new state, other dtypes
            # and layouts.
            if (
                _native_step is None
                or group["differentiable"]
                or group["capturable"]
                or not _native_step(
                    group["params"],
                    self.state,
                    scalar(group["lr"]),
                    scalar(beta1),
                    scalar(beta2),
                    group["eps"],
                    group["weight_decay"],
                    group["amsgrad"],
                    group["maximize"],
                    group["decoupled_weight_decay"],
                )
            ):
                with rustorch.no_grad():
                    self._step_group(group)
        return loss

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = new_step()
        state["exp_avg"] = zeros_of(param)
        state["exp_avg_sq"] = zeros_of(param)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_of(param)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, beta1, beta2 = scalar(group["lr"]), scalar(group["betas"][0]), scalar(group["betas"][1])
        if param.is_complex():
            raise NotImplementedError(f"rustorch.optim.{type(self).__name__} of complex parameters is not implemented")
        state["step"] += 1
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad.add(param, alpha=group["weight_decay"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        step = state["step"].item()
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(rustorch.maximum(state["max_exp_avg_sq"], square))
        denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
        param.addcdiv_(mean, denominator, value=-lr / (1 - beta1**step))

"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.optim.optimizer import Parameters, scalar
from rustorch.optim.per_parameter import PerParameter, check_lr, new_step, zeros_of

__all__ = ["Rprop"]


class Rprop(PerParameter):
    """Each element has a step size of its own, which grows while its gradient keeps its sign and shrinks when it
    turns."""

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        state["step"] = new_step()
        state["prev"] = zeros_of(param)
        lr = scalar(group["lr"])
        state["step_size"] = rustorch.full_like(param, complex(lr, lr) if param.is_complex() else lr)

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        state["step"] += 1
        agreement = grad * state["prev"]
        turned = agreement < 0
        factor = rustorch.where(turned, shrink, rustorch.where(agreement > 0, grow, 1.0)).to(grad.dtype)
        state["step_size"].mul_(factor).clamp_(smallest, largest)
        # Where the gradient turned nothing moves, and the next step starts without a memory.
        grad = grad.masked_fill(turned, 0)
        param.addcmul_(grad.sign(), state["step_size"], value=-1)
        state["prev"].copy_(grad)

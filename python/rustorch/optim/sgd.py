"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch import _C
from rustorch._C import Tensor
from rustorch.optim.optimizer import Closure, Parameters, loss_of, scalar
from rustorch.optim.per_parameter import PerParameter, check_lr, check_together, refuse_unbuilt

__all__ = ["SGD"]

_native_step = getattr(_C, "_sgd_step", None)


class SGD(PerParameter):
    """``p -= lr * g``, with momentum: ``b = momentum * b + (1 - dampening) * g; p -= lr * b``.

    ``nesterov`` steps along ``g + momentum * b``; ``weight_decay * p`` is added to the gradient; ``maximize`` climbs.

    >>> import rustorch as torch
    >>> p = torch.nn.Parameter(torch.ones(1))
    >>> p.grad = torch.ones(1)
    >>> torch.optim.SGD([p], lr=0.5).step()
    >>> p.item()
    0.5
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        check_together(fused, foreach, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)

    def step(self, closure: Closure | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returned."""
        loss = None if closure is None else loss_of(closure)
        for group in self.param_groups:
            # The native step refuses, before it changes anything, what it is not made for: new state, other dtypes
            # and layouts.
            if (
                _native_step is None
                or group["differentiable"]
                or not _native_step(
                    group["params"],
                    self.state,
                    scalar(group["lr"]),
                    group["momentum"],
                    group["dampening"],
                    scalar(group["weight_decay"]),
                    group["nesterov"],
                    group["maximize"],
                )
            ):
                with rustorch.no_grad():
                    self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        refuse_unbuilt(group)
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if grad.is_sparse:
                raise NotImplementedError("rustorch.optim.SGD with sparse gradients is not implemented")
            if group["maximize"]:
                grad = -grad
            if group["weight_decay"] != 0:
                grad = grad.add(param, alpha=scalar(group["weight_decay"]))
            if group["momentum"] != 0:
                grad = self._with_momentum(self.state[param], grad, group)
            param.add_(grad, alpha=-scalar(group["lr"]))

    def _with_momentum(self, state: dict[str, Any], grad: Tensor, group: dict[str, Any]) -> Tensor:
        buffer = state.get("momentum_buffer")
        if buffer is None:
            buffer = state["momentum_buffer"] = grad.detach().clone()
        else:
            buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
        return grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer

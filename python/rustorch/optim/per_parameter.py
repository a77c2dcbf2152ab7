"""Optimizers whose step is composed of tensor operations, parameter by parameter."""

from __future__ import annotations

from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.optim.optimizer import Closure, Optimizer, loss_of

__all__ = ["PerParameter"]


class PerParameter(Optimizer):
    """A step is a walk over the parameters that have gradients: `_start` fills the state of new ones, `_update` changes
    one."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("maximize", "differentiable", "capturable"):
                if name in self.defaults:
                    group.setdefault(name, False)
            for name in ("foreach", "fused"):
                if name in self.defaults:
                    group.setdefault(name, None)
            for param in group["params"]:
                own = self.state.get(param, {})
                if "step" in own and not isinstance(own["step"], Tensor):
                    own["step"] = rustorch.tensor(float(own["step"]), dtype=rustorch.float32)

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__}._start is not implemented")

    def _update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__}._update is not implemented")

    def _step_group(self, group: dict[str, Any]) -> None:
        """One step of one group, composed."""
        refuse_unbuilt(group)
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if grad.is_sparse:
                raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
            state = self.state[param]
            if not state:
                self._start(state, param, group)
            self._update(param, -grad if group.get("maximize") else grad, state, group)

    def step(self, closure: Closure | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returned."""
        with rustorch.no_grad():
            loss = loss_of(closure)
            for group in self.param_groups:
                self._step_group(group)
        return loss


def refuse_unbuilt(group: dict[str, Any]) -> None:
    """Refuse the settings that need what is not there."""
    if group.get("differentiable"):
        raise NotImplementedError("rustorch.optim: differentiable=True is not implemented")
    if group.get("capturable"):
        raise AssertionError("If capturable=True, params and state_steps must be on supported devices: [].")


def new_step() -> Tensor:
    """A count of steps at zero, as state dicts keep it."""
    return rustorch.tensor(0.0, dtype=rustorch.float32)


def zeros_of(param: Tensor) -> Tensor:
    """Zeros of the parameter's shape, dtype and layout."""
    return rustorch.zeros_like(param, memory_format=rustorch.preserve_format)


def check_not_negative(words: str, value: Any) -> None:
    """Refuse a negative (or NaN) setting; ``words`` is how the message begins."""
    if not value >= 0.0:
        raise ValueError(f"{words}: {value}")


def check_lr(lr: Any) -> None:
    """Refuse a learning rate that is negative or a tensor of several elements."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check_not_negative("Invalid learning rate", lr)


def check_betas(betas: Any) -> None:
    """Refuse decay rates outside [0, 1)."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")


def check_together(fused: Any, foreach: Any, differentiable: bool) -> None:
    """Refuse the ways of computing that exclude each other."""
    if fused:
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

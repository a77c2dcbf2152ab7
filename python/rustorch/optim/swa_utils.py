"""Averages of a model's parameters over training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.nn import Module
from rustorch.nn.modules.batchnorm import _BatchNorm
from rustorch.optim.lr_scheduler.base import LRScheduler, one_for_each_group
from rustorch.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average: ``decay * averaged + (1 - decay) * current``."""
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    def ema_update(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> Average:
    """The plain average of all models so far."""

    def swa_update(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return averaged + (current - averaged) / (num_averaged + 1)

    return swa_update


def _over_lists(average: Average) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """An average as a change, in place, of lists of tensors."""

    def update(averaged: Iterable[Tensor], current: Iterable[Tensor], num_averaged: Any) -> None:
        with rustorch.no_grad():
            for kept, given in zip(averaged, current, strict=True):
                kept.copy_(average(kept, given.to(kept.dtype), num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """`get_ema_avg_fn` over lists of tensors, in place."""
    return _over_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """`get_swa_avg_fn` over lists of tensors, in place."""
    return _over_lists(get_swa_avg_fn())


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew, as plain averages over the batches of ``loader``.

    A batch may be a list or tuple, whose first element is the input.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [module.momentum for module in norms]
    was_training = model.training
    for module in norms:
        module.reset_running_stats()
        module.momentum = None
    model.train()
    with rustorch.no_grad():
        for batch in loader:
            inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(inputs if device is None else inputs.to(device))
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    model.train(was_training)


class AveragedModel(Module):
    """A copy of ``model`` whose parameters become averages: call ``update_parameters(model)`` after each step.

    ``avg_fn(averaged, current, count)`` or ``multi_avg_fn(averaged_list, current_list, count)`` replaces the plain
    average; ``use_buffers`` averages the buffers too, which else are copied.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Callable[[list[Tensor], list[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", rustorch.tensor(0, dtype=rustorch.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _averaged_members(self, model: Module) -> list[Tensor]:
        members: Iterable[Tensor] = model.parameters()
        return [*members, *model.buffers()] if self.use_buffers else list(members)

    def update_parameters(self, model: Module) -> None:
        """Take ``model``'s parameters into the averages."""
        own, given = self._averaged_members(self.module), self._averaged_members(model)
        count = self.n_averaged
        with rustorch.no_grad():
            if int(count) == 0:
                for average, current in zip(own, given, strict=True):
                    average.copy_(current.to(average.device))
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn(own, given, count)
            else:
                average_of = get_swa_avg_fn() if self.avg_fn is None else self.avg_fn
                for average, current in zip(own, given, strict=True):
                    average.copy_(average_of(average, current.to(average.device), count))
            if not self.use_buffers:
                for kept, current in zip(self.module.buffers(), model.buffers(), strict=True):
                    kept.copy_(current.to(kept.device))
            self.n_averaged += 1


class SWALR(LRScheduler):
    """From the current rate to ``swa_lr`` in ``anneal_epochs`` epochs, along a cosine or a line, and then constant."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(one_for_each_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _annealed(self, epoch: int) -> float:
        """How far, from 0 to 1, the rate has gone at ``epoch``."""
        part = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._annealed(step - 1), self._annealed(step)
        rates = []
        for group in self.optimizer.param_groups:
            # The rate where the way began, from where it stood one step ago.
            start = group["swa_lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates

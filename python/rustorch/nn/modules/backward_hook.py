"""Full backward hooks: gradients caught where a module's inputs enter and where its outputs leave."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import rustorch
from rustorch._C import Tensor

Gradients = tuple[Any, ...]

_HOOK_WITHOUT_INPUTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require "
    "gradients. See "
    "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook "
    "for more details."
)


@functools.cache
def _gate() -> Any:
    """The identity over several tensors as one node of the graph, whose hooks see all their gradients at once."""

    class BackwardHookFunction(rustorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> Gradients:
            ctx.mark_non_differentiable(*[tensor for tensor in tensors if not tensor.requires_grad])
            return tensors

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Gradients:
            return gradients

    return BackwardHookFunction


def _spread(positions: list[int] | None, values: Gradients, size: int) -> Gradients:
    """``values`` at their positions in a tuple of ``size``; None elsewhere."""
    spread = [None] * size
    for position, value in zip(positions or (), values, strict=True):
        spread[position] = value
    return tuple(spread)


class BackwardHook:
    """One call's full backward hooks.

    The inputs pass a gate whose gradients are the hook's ``grad_input``; the outputs pass another whose incoming
    gradients are ``grad_output``. The user's hooks run at the input gate, when both are known.
    """

    def __init__(self, module: Any, hooks: list[Callable[..., Any]], pre_hooks: list[Callable[..., Any]]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: Gradients | None = None
        self.input_positions: list[int] | None = None
        self.output_positions: list[int] | None = None
        self.input_count = self.output_count = 0

    def _through_gate(self, values: Gradients, attach: Callable[[Any], None]) -> tuple[Gradients, list[int] | None]:
        positions = [position for position, value in enumerate(values) if isinstance(value, Tensor)]
        if not (rustorch.is_grad_enabled() and any(values[position].requires_grad for position in positions)):
            return values, None
        passed = _gate().apply(*[values[position] for position in positions])
        attach(next(tensor.grad_fn for tensor in passed if tensor.grad_fn is not None))
        gated = list(values)
        for position, tensor in zip(positions, passed, strict=True):
            gated[position] = tensor
        return (tuple(gated) if type(values) is tuple else type(values)(*gated)), positions

    def setup_input_hook(self, args: Gradients) -> Gradients:
        """``args`` with their tensors led through the input gate."""
        gated, self.input_positions = self._through_gate(args, lambda node: node.register_hook(self._at_inputs))
        self.input_count = len(args)
        return gated

    def setup_output_hook(self, result: Any) -> Any:
        """``result`` (a tensor or a tuple) with its tensors led through the output gate."""
        outputs = result if isinstance(result, tuple) else (result,)
        gated, self.output_positions = self._through_gate(outputs, lambda node: node.register_prehook(self._at_outputs))
        self.output_count = len(outputs)
        return gated if isinstance(result, tuple) else gated[0]

    def _at_outputs(self, gradients: Gradients) -> Gradients:
        self.grad_outputs = _spread(self.output_positions, gradients, self.output_count)
        for hook in self.pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != self.output_count:
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, but expected "
                    f"{self.output_count}"
                )
            self.grad_outputs = changed
        onward = tuple(self.grad_outputs[position] for position in self.output_positions or ())
        if self.input_positions is None:
            self._without_inputs()
        return onward

    def _without_inputs(self) -> None:
        """No input asks for gradients: the hooks run here, and have nothing to change."""
        warnings.warn(_HOOK_WITHOUT_INPUTS, stacklevel=5)
        for hook in self.hooks:
            changed = hook(self.module, (None,) * self.input_count, self.grad_outputs)
            if changed is not None and not (
                isinstance(changed, tuple) and all(gradient is None for gradient in changed)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )
        self.grad_outputs = None

    def _at_inputs(self, grad_inputs: Gradients, _: Gradients) -> Gradients | None:
        if self.grad_outputs is None:
            # The gradient reached the inputs without passing the outputs, as in double backward.
            return None
        gradients = _spread(self.input_positions, grad_inputs, self.input_count)
        for hook in self.hooks:
            changed = hook(self.module, gradients, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != len(gradients):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected "
                    f"{len(gradients)}"
                )
            gradients = changed
        self.grad_outputs = None
        return tuple(gradients[position] for position in self.input_positions or ())


def _only_tensors(values: Any) -> bool:
    return isinstance(values, Tensor) or (
        isinstance(values, tuple) and all(isinstance(value, Tensor) for value in values)
    )


def warn_about_partial_gradients(inputs: Any, result: Any, node: Any) -> None:
    """Warn where an old backward hook on ``node`` will miss gradients of the module's inputs or outputs."""
    missing_input = (
        "This hook will be missing some of the grad_input. Please use register_full_backward_hook to get the "
        "documented behavior."
    )
    if not _only_tensors(result):
        warnings.warn(
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors is "
            "deprecated and will be removed in future versions. This hook will be missing some of the grad_output. "
            "Please use register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=5,
        )
        return
    if not _only_tensors(inputs):
        warnings.warn(
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of "
            f"Tensors is deprecated and will be removed in future versions. {missing_input}",
            FutureWarning,
            stacklevel=5,
        )
        return
    outputs = (result,) if isinstance(result, Tensor) else result
    output_nodes = {output.grad_fn for output in outputs if output.grad_fn is not None}
    if len(output_nodes) > 1:
        warnings.warn(
            "Using a non-full backward hook when outputs are generated by different autograd Nodes is deprecated and "
            "will be removed in future versions. This hook will be missing some grad_output. Please use "
            "register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=5,
        )
        return
    sources = (inputs,) if isinstance(inputs, Tensor) else inputs
    input_nodes = {source.grad_fn for source in sources if source.grad_fn is not None}
    if input_nodes != {following for following, _ in node.next_functions}:
        warnings.warn(
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated and will "
            f"be removed in future versions. {missing_input}",
            FutureWarning,
            stacklevel=5,
        )

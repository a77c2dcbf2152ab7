"""``backward`` and ``grad``: running graphs back."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rustorch import _C
from rustorch._C import Tensor

__all__ = ["backward", "grad"]

Cotangents: TypeAlias = Tensor | Sequence[Tensor | None] | None
Leaves: TypeAlias = Tensor | Sequence[Tensor] | dict[str, Tensor]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Cotangents = None,
    inputs: Leaves | None = None,
) -> None:
    """Adds the gradients of ``tensors`` to ``.grad`` of the leaves that they were computed from.

    Args:
        tensors: what is differentiated.
        grad_tensors: the gradient that each of them starts from, of its shape; None where it has one element.
        retain_graph: keep the graph for another run; None: as ``create_graph`` says.
        create_graph: record the run itself, for gradients of gradients.
        grad_variables: the old name of ``grad_tensors``.
        inputs: the tensors whose ``.grad`` is wanted; None: all leaves.

    Raises:
        RuntimeError: nothing requires a gradient, a start is missing or has a wrong shape, or the graph was freed.

    Example::

        >>> import rustorch as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> torch.autograd.backward(x * 3, torch.tensor([1.0, 10.0]))
        >>> x.grad
        tensor([ 3., 30.])
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", category=FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    wanted = None if inputs is None else _leaves(inputs, "backward")
    outputs = _tuple(tensors)
    starts = _starts(outputs, grad_tensors)
    _C._backward(outputs, starts, create_graph if retain_graph is None else retain_graph, create_graph, wanted)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Leaves,
    grad_outputs: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Returns the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` changes.

    Args:
        outputs: what is differentiated.
        inputs: with respect to what; a dict gives a dict.
        grad_outputs: the gradient that each output starts from, of its shape; None where it has one element.
        retain_graph: keep the graph for another run; None: as ``create_graph`` says.
        create_graph: record the run itself, for gradients of gradients.
        only_inputs: without effect.
        allow_unused: give None for inputs that the outputs do not depend on; None: as ``materialize_grads`` says.
        is_grads_batched: ``grad_outputs`` have a first dimension more, and so have the results: one run for each entry.
        materialize_grads: give zeros instead of None.

    Raises:
        RuntimeError: nothing requires a gradient, an input was not used, a start is missing or has a wrong shape, or
            the graph was freed.

    Example::

        >>> import rustorch as torch
        >>> x = torch.tensor(2.0, requires_grad=True)
        >>> torch.autograd.grad(x**3, x)
        (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            category=FutureWarning,
            stacklevel=2,
        )
    results = _tuple(outputs)
    wanted = _leaves(inputs, "grad")
    starts = _starts(results, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    run = _grad_batched if is_grads_batched else _C._grad
    gradients = run(results, wanted, starts, keep, create_graph, unused)
    if materialize_grads:
        gradients = tuple(
            _C.zeros_like(leaf, requires_grad=create_graph) if gradient is None else gradient
            for gradient, leaf in zip(gradients, wanted, strict=True)
        )
    return dict(zip(inputs, gradients, strict=True)) if type(inputs) is dict else gradients


def _tuple(tensors: Any) -> tuple[Any, ...]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _leaves(inputs: Leaves, caller: str) -> tuple[Tensor, ...]:
    """What gradients are wanted of, as a tuple of tensors."""
    if isinstance(inputs, Mapping):
        if type(inputs) is not dict:
            raise TypeError(
                f"`inputs` argument to `{caller}()` must be a dict, not {type(inputs).__name__}. "
                "Other Mapping types are not supported."
            )
        inputs = tuple(inputs.values())
    leaves = _tuple(inputs)
    if not leaves:
        raise RuntimeError(f"`inputs` argument to `{caller}()` cannot be empty.")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(leaf).__name__}")
    return leaves


def _starts(outputs: tuple[Any, ...], given: Cotangents) -> tuple[Tensor | None, ...]:
    """The gradients that the outputs start from, one each; None stands for one in a tensor of one element."""
    for output in outputs:
        if not isinstance(output, Tensor):
            raise AssertionError("Expected output to be a torch.Tensor")
    starts = (None,) * len(outputs) if given is None else _tuple(given)
    for start in starts:
        if start is not None and not isinstance(start, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(start).__name__}")
    return starts


def _grad_batched(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    starts: tuple[Tensor | None, ...],
    keep: bool,
    create_graph: bool,
    unused: bool,
) -> tuple[Tensor | None, ...]:
    """One run for each entry of the starts' first dimension; the results are stacked."""
    size = _batch_size(outputs, starts)
    runs = []
    for entry in range(size):
        row = tuple(None if start is None else start[entry] for start in starts)
        runs.append(_C._grad(outputs, inputs, row, keep or entry < size - 1, create_graph, unused))
    columns = zip(*runs, strict=True)
    return tuple(None if column[0] is None else _C.stack(column) for column in columns)


def _batch_size(outputs: tuple[Tensor, ...], starts: tuple[Tensor | None, ...]) -> int:
    sizes = set()
    for place, (output, start) in enumerate(zip(outputs, starts, strict=False)):
        if start is None:
            continue
        if start.dim() == 0:
            raise ValueError(
                "grad_outputs have no batch dimension: with is_grads_batched=True each needs one dimension more than "
                "its output"
            )
        if start.shape[1:] != output.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                "dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                f"output, but a mismatch was detected: grad_output[{place}] has a shape of {start.shape[1:]} and "
                f"output[{place}] has a shape of {output.shape}. If you only want some tensors in `grad_output` to be "
                "considered batched, consider using vmap."
            )
        sizes.add(start.shape[0])
    if len(sizes) != 1:
        raise ValueError(f"grad_outputs must have one batch size with is_grads_batched=True, but got {sorted(sizes)}")
    return sizes.pop()

"""Derivatives of functions: products with vectors, Jacobians, Hessians."""

from collections.abc import Callable
from typing import Any

import rustorch
from rustorch._C import Tensor
from rustorch.autograd.differentiate import grad
from rustorch.autograd.grad_mode import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_NO_OUTPUT = (
    "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode."
)
_UNUSED = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."
_CONSTANT_JACOBIAN = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
    "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for "
    "example)."
)
Tensors = tuple[Tensor, ...]


class _Call:
    """One call of a user's function on inputs that are differentiated, and how its results are to be given back."""

    def __init__(self, name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool) -> None:
        self.name, self.create_graph, self.strict = name, create_graph, strict
        self.single_input, given = _tensors(inputs, "inputs", name)
        # With create_graph a view, so that what is computed can be differentiated further with respect to the caller's.
        self.inputs: Tensors = tuple(
            x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in given
        )
        described = "outputs of the user-provided function"
        self.single_output, self.outputs = _tensors(func(*self.inputs), described, name)
        if strict:
            _require(self.outputs, _NO_OUTPUT)

    def one_number(self) -> None:
        """Functions with a Hessian give one tensor of one element."""
        if not self.single_output or not isinstance(self.outputs[0], Tensor):
            raise RuntimeError(f"The function given to {self.name} should return a single Tensor")
        if self.outputs[0].numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {self.name} should contain a single element"
            )

    def vector(self, v: Any, like: Tensors, single: bool, alone: str) -> Tensors:
        """``v`` as a tuple that fits ``like``; None stands for one where that has one element."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                raise RuntimeError(
                    f"The vector v can only be None if the {alone} a single Tensor with a single element."
                )
            return (rustorch.ones_like(like[0]),)
        _, vectors = _tensors(v, "v", self.name)
        if len(vectors) != len(like):
            if single:
                raise RuntimeError("The given v should contain a single Tensor.")
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}.")
        for entry, (vector, other) in enumerate(zip(vectors, like, strict=True)):
            if vector.shape != other.shape:
                place = "" if single else f"Entry {entry} in "
                raise RuntimeError(f"{place}v has invalid size: should be {other.shape} but got {vector.shape}.")
        return vectors

    def filled(self, gradients: tuple[Tensor | None, ...], like: Tensors) -> Tensors:
        """Zeros in the place of gradients that are not there, which strict mode refuses."""
        if self.strict:
            for place, gradient in enumerate(gradients):
                if gradient is None:
                    raise RuntimeError(_UNUSED.format(place))
        return tuple(
            rustorch.zeros_like(x) if gradient is None else gradient
            for gradient, x in zip(gradients, like, strict=True)
        )

    def given_back(self, values: Tensors, single: bool) -> Any:
        """A tensor, or the tuple, with the graph behind it only where that was asked for."""
        results = values if self.create_graph else tuple(value.detach() for value in values)
        return results[0] if single else results


def _tensors(given: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Whether it is a single tensor, and the tuple of them."""
    single = not isinstance(given, tuple)
    values = (given,) if single else given
    for place, value in enumerate(values):
        if not isinstance(value, Tensor):
            where = f"given {what} has type" if single else f"value at index {place} has type"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors "
                f"but the {where} {type(value)}."
            )
    return single, values


def _require(values: tuple[Tensor | None, ...], complaint: str) -> None:
    for place, value in enumerate(values):
        if value is None or not value.requires_grad:
            raise RuntimeError(complaint.format(place))


def _grad(outputs: Tensors, inputs: Tensors, starts: Any, create_graph: bool) -> tuple[Tensor | None, ...]:
    """The gradients, None where nothing depends on an input; outputs without history are left out."""
    kept = [(output, start) for output, start in zip(outputs, starts, strict=True) if output.requires_grad]
    if not kept:
        return (None,) * len(inputs)
    return grad(
        [output for output, _ in kept],
        inputs,
        [start for _, start in kept],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The function's value, and ``v`` times its Jacobian.

    Args:
        func: takes the inputs, gives a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: like the outputs; None where there is one number.
        create_graph: whether the results can be differentiated.
        strict: refuse outputs that do not depend on an input.

    Example::

        >>> import rustorch as torch
        >>> torch.autograd.functional.vjp(lambda x: x.sum(), torch.zeros(2))
        (tensor(0.), tensor([1., 1.]))
    """
    with enable_grad():
        call = _Call("vjp", func, inputs, create_graph, strict)
        start = call.vector(v, call.outputs, call.single_output, "user-provided function returns")
        gradients = call.filled(_grad(call.outputs, call.inputs, start, create_graph), call.inputs)
    return call.given_back(call.outputs, call.single_output), call.given_back(gradients, call.single_input)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The function's value, and its Jacobian times ``v``, by running back twice. For the arguments see :func:`vjp`.

    Example::

        >>> import rustorch as torch
        >>> torch.autograd.functional.jvp(lambda x: x * x, torch.ones(2), torch.ones(2))
        (tensor([1., 1.]), tensor([2., 2.]))
    """
    with enable_grad():
        call = _Call("jvp", func, inputs, create_graph, strict)
        vectors = call.vector(v, call.inputs, call.single_input, "input to the user-provided function is")
        # The gradient is linear in where it starts from, so its own gradient with respect to that is the product.
        starts = tuple(rustorch.zeros_like(output).requires_grad_() for output in call.outputs)
        gradients = call.filled(_grad(call.outputs, call.inputs, starts, True), call.inputs)
        products = call.filled(_grad(gradients, starts, vectors, create_graph), call.outputs)
    return call.given_back(call.outputs, call.single_output), call.given_back(products, call.single_output)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives: for each output and input a tensor of the output's dimensions followed by the input's.

    A tuple over outputs of tuples over inputs; where there is a single one, without its tuple. ``vectorize`` changes
    nothing; ``strategy="forward-mode"`` is not built. For the other arguments see :func:`vjp`.

    Example::

        >>> import rustorch as torch
        >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        raise NotImplementedError("jacobian(strategy='forward-mode') is not built")
    with enable_grad():
        call = _Call("jacobian", func, inputs, create_graph, strict)
        rows = [_jacobian_of(call, number, output) for number, output in enumerate(call.outputs)]
    results = [call.given_back(row, call.single_input) for row in rows]
    return results[0] if call.single_output else tuple(results)


def _jacobian_of(call: _Call, number: int, output: Tensor) -> Tensors:
    """The derivatives of one output with respect to each input."""
    blocks: list[list[Tensor]] = [[] for _ in call.inputs]
    for element in output.reshape(-1):
        gradients = _grad((element,), call.inputs, (None,), call.create_graph)
        for place, (block, gradient, x) in enumerate(zip(blocks, gradients, call.inputs, strict=True)):
            if gradient is None and call.strict:
                raise RuntimeError(
                    f"Output {number} of the user-provided function is independent of input {place}. "
                    "This is not allowed in strict mode."
                )
            if call.strict and call.create_graph and gradient is not None:
                _require_at(place, gradient, _CONSTANT_JACOBIAN)
            block.append(rustorch.zeros_like(x) if gradient is None else gradient)
    return tuple(
        rustorch.stack(block).view(*output.shape, *x.shape) if block else x.new_zeros((*output.shape, *x.shape))
        for block, x in zip(blocks, call.inputs, strict=True)
    )


def _require_at(place: int, value: Tensor, complaint: str) -> None:
    if not value.requires_grad:
        raise RuntimeError(complaint.format(place))


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function that gives one number: the Jacobian of its gradient.

    Example::

        >>> import rustorch as torch
        >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    single, given = _tensors(inputs, "inputs", "hessian")

    def gradient(*values: Tensor) -> Any:
        call = _Call("hessian", func, values, True, strict)
        call.one_number()
        gradients = call.filled(_grad(call.outputs, call.inputs, (None,), True), call.inputs)
        if strict:
            _require(gradients, _CONSTANT_JACOBIAN)
        return gradients

    result = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return result[0][0] if single else result


def _second_order(name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool) -> Any:
    """The call, and the gradients with the graph behind them."""
    call = _Call(name, func, inputs, create_graph, strict)
    call.one_number()
    gradients = call.filled(_grad(call.outputs, call.inputs, (None,), True), call.inputs)
    if strict:
        _require(gradients, _CONSTANT_JACOBIAN)
    return call, gradients


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The function's value, and ``v`` times its Hessian. The function gives one number; else see :func:`vjp`.

    Example::

        >>> import rustorch as torch
        >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.ones(2), torch.ones(2))
        (tensor(2.), tensor([6., 6.]))
    """
    with enable_grad():
        call, gradients = _second_order("vhp", func, inputs, create_graph, strict)
        vectors = call.vector(v, call.inputs, call.single_input, "input to the user-provided function is")
        products = call.filled(_grad(gradients, call.inputs, vectors, create_graph), call.inputs)
    return call.given_back(call.outputs, call.single_output), call.given_back(products, call.single_input)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The function's value, and its Hessian times ``v``, by running back twice more; see :func:`vhp`."""
    with enable_grad():
        call, gradients = _second_order("hvp", func, inputs, create_graph, strict)
        vectors = call.vector(v, call.inputs, call.single_input, "input to the user-provided function is")
        starts = tuple(rustorch.zeros_like(x).requires_grad_() for x in call.inputs)
        inner = call.filled(_grad(gradients, call.inputs, starts, True), call.inputs)
        products = call.filled(_grad(inner, starts, vectors, create_graph), call.inputs)
    return call.given_back(call.outputs, call.single_output), call.given_back(products, call.single_input)

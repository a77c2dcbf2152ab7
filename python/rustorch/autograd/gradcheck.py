"""Gradients compared with finite differences."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import rustorch
from rustorch import _C
from rustorch._C import Tensor
from rustorch.autograd.differentiate import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that is not what finite differences say."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of ``func`` with central differences, element by element.

    Every output is differentiated alone, so that the others' gradients are undefined meanwhile
    (``check_undefined_grad``). ``fast_mode`` checks as thoroughly.

    Args:
        func: takes the inputs, gives a tensor or a tuple of them.
        inputs: its arguments; those that require gradients are varied and should be float64.
        eps: how far an element is moved, either way.
        atol, rtol: how far gradients and differences may be apart.
        raise_exception: raise instead of returning False.
        nondet_tol: how far two runs back may be apart.

    Raises:
        GradcheckError: the gradients are wrong.
        ValueError: no input requires a gradient.

    Example::

        >>> import rustorch as torch
        >>> x = torch.randn(3, dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradcheck(lambda x: x.exp() * 2, (x,))
        True
    """
    for name, asked in (
        ("check_batched_grad", check_batched_grad),
        ("check_batched_forward_grad", check_batched_forward_grad),
        ("check_forward_ad", check_forward_ad),
    ):
        if asked:
            raise NotImplementedError(f"gradcheck({name}=True) is not built yet")
    arguments = _tuple(inputs)
    try:
        _check_inputs(arguments)
        if check_backward_ad:
            _check(func, arguments, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of the gradients of ``func`` with central differences; see :func:`gradcheck`.

    ``grad_outputs`` are the gradients that the outputs start from; None draws them at random.

    Example::

        >>> import rustorch as torch
        >>> x = torch.randn(3, dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradgradcheck(lambda x: x**3, (x,))
        True
    """
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck(check_fwd_over_rev=True) is not built yet")
    arguments = _tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*arguments))
        starts = tuple(_random_start(output, gen_non_contig_grad_outputs) for output in outputs)
    else:
        starts = _tuple(grad_outputs)

    def gradients(*both: Any) -> tuple[Tensor, ...]:
        given, cotangents = both[: len(arguments)], both[len(arguments) :]
        varied = [value for value in given if isinstance(value, Tensor) and value.requires_grad]
        results = grad(_differentiable(func(*given)), varied, cotangents, create_graph=True, allow_unused=True)
        return tuple(result for result in results if result is not None)

    return gradcheck(
        gradients,
        arguments + starts,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (values,)


def _differentiable(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(output for output in _tuple(outputs) if isinstance(output, Tensor) and output.requires_grad)


def _random_start(output: Tensor, strided: bool) -> Tensor:
    """A random gradient to start from; with ``strided`` every second element of a larger tensor."""
    if not strided:
        return rustorch.randn_like(output).requires_grad_()
    wide = rustorch.randn(*output.shape, 2, dtype=output.dtype, device=output.device)
    return wide.select(-1, 0).requires_grad_()


def _check_inputs(arguments: tuple[Any, ...]) -> None:
    varied = [(place, x) for place, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if not varied:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    for place, x in varied:
        if x.dtype.is_complex:
            raise NotImplementedError("gradcheck of complex inputs is not built yet")
        if x.dtype != rustorch.float64:
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape, strict=True)):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )


def _check(
    func: Callable[..., Any], arguments: tuple[Any, ...], eps: float, atol: float, rtol: float, nondet_tol: float
) -> None:
    varied = [value for value in arguments if isinstance(value, Tensor) and value.requires_grad]
    outputs = _differentiable(func(*arguments))
    if not outputs:
        _check_constant(func, arguments, varied, eps)
        return
    for place, output in enumerate(outputs):
        analytical = _jacobians(output, varied)
        again = _jacobians(output, varied)
        for number, x in enumerate(varied):
            numerical = _differences(func, arguments, x, place, output, eps)
            if not _C.allclose(analytical[number], numerical, rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {place} with respect to input {number},\n"
                    f"numerical:{numerical}\nanalytical:{analytical[number]}\n"
                )
            if not _C.allclose(analytical[number], again[number], 0, nondet_tol):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient."
                    f"The tolerance for nondeterminism was {nondet_tol}."
                )


def _check_constant(func: Callable[..., Any], arguments: tuple[Any, ...], varied: Sequence[Tensor], eps: float) -> None:
    """Outputs that require no gradient must not depend on the inputs."""
    for place, output in enumerate(_tuple(func(*arguments))):
        if not isinstance(output, Tensor) or not output.is_floating_point():
            continue
        for number, x in enumerate(varied):
            numerical = _moved(func, arguments, x, place, output, eps, lambda outputs: _tuple(outputs))
            if numerical.ne(0).any():
                raise GradcheckError(
                    f"Numerical gradient for function expected to be zero: output {place} does not require a gradient, "
                    f"but depends on input {number}"
                )


def _jacobians(output: Tensor, varied: Sequence[Tensor]) -> list[Tensor]:
    """For each input the matrix (its elements) x (those of the output), by running back from each element alone."""
    columns: list[list[Tensor]] = [[] for _ in varied]
    for index in _indices(output):
        start = rustorch.zeros_like(output)
        start[index] = 1
        gradients = grad(output, varied, start, retain_graph=True, allow_unused=True)
        for column, gradient, x in zip(columns, gradients, varied, strict=True):
            if gradient is not None and gradient.shape != x.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            column.append(rustorch.zeros_like(x) if gradient is None else gradient.detach())
    return [_matrix(column, x) for column, x in zip(columns, varied, strict=True)]


def _matrix(columns: list[Tensor], x: Tensor) -> Tensor:
    if not columns:
        return rustorch.zeros(x.numel(), 0, dtype=x.dtype)
    return _C.stack([column.reshape(-1) for column in columns], 1)


def _differences(
    func: Callable[..., Any], arguments: tuple[Any, ...], x: Tensor, place: int, output: Tensor, eps: float
) -> Tensor:
    """The matrix that :func:`_jacobians` gives, by moving one element of ``x`` at a time."""
    return _moved(func, arguments, x, place, output, eps, _differentiable)


def _moved(
    func: Callable[..., Any],
    arguments: tuple[Any, ...],
    x: Tensor,
    place: int,
    output: Tensor,
    eps: float,
    choose: Callable[[Any], tuple[Any, ...]],
) -> Tensor:
    # `.data` shares the elements and not the write counter: moving them is nobody else's business.
    elements, rows = x.data, []
    for index in _indices(x):
        before = elements[index].item()
        sides = []
        for moved in (before - eps, before + eps):
            elements[index] = moved
            # A copy: the function may give a view of its argument.
            sides.append(choose(func(*arguments))[place].detach().clone())
        elements[index] = before
        rows.append(((sides[1] - sides[0]) / (2 * eps)).reshape(-1))
    return _C.stack(rows, 0) if rows else rustorch.zeros(0, output.numel(), dtype=output.dtype)


def _indices(tensor: Tensor) -> Iterator[tuple[int, ...]]:
    return product(*(range(size) for size in tensor.shape))

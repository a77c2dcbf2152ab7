"""Moving and casting whole modules."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import rustorch
from rustorch._C import Tensor
from rustorch.nn.modules.tree import ModuleTree

Self = TypeVar("Self", bound="ModuleConversion")


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """The arguments of ``to`` in any of its forms, as device, dtype, non_blocking and memory format."""
    parse = getattr(rustorch._C._nn, "_parse_to", None)
    if parse is not None:
        return parse(*args, **kwargs)
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    memory_format, non_blocking = kwargs.pop("memory_format", None), kwargs.pop("non_blocking", False)
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        model = rest.pop(0)
        device, dtype = model.device, model.dtype
    elif rest and (rest[0] is None or isinstance(rest[0], (str, int, rustorch.device))):
        device = rest.pop(0)
    if rest and isinstance(rest[0], rustorch.dtype):
        dtype = rest.pop(0)
    if rest:
        non_blocking = rest.pop(0)
    kwargs.pop("copy", None)
    if kwargs or len(rest) > 1:
        raise TypeError(f"to() received an invalid combination of arguments: {args}, {kwargs}")
    return None if device is None else rustorch.device(device), dtype, bool(non_blocking), memory_format


class ModuleConversion(ModuleTree):
    """``to`` and its relatives; one part of `Module`. All change the module in place and return it."""

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter's data, its gradient, and every buffer by what ``fn`` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with rustorch.no_grad():
                applied = fn(parameter)
            gradient = parameter.grad
            if applied is not parameter:
                # The parameter stays the same object, so that optimizers and ties keep seeing it.
                parameter.grad = None
                parameter.data = applied
                if gradient is not None:
                    with rustorch.no_grad():
                        parameter.grad = fn(gradient).requires_grad_(gradient.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Move and cast: ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``,
        ``to(memory_format=...)``.

        Only floating-point (and complex) parameters and buffers are cast; all are moved.

        >>> import rustorch as torch
        >>> torch.nn.Linear(2, 1).to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some "
                    "modules might not work as expected when using complex tensors as parameters or buffers. Please "
                    "file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a "
                    "complex module does not work as expected.",
                    stacklevel=2,
                )

        def convert(tensor: Tensor) -> Tensor:
            cast = dtype if tensor.is_floating_point() or tensor.is_complex() else None
            options: dict[str, Any] = {} if device is None else {"device": device}
            if cast is not None:
                options["dtype"] = cast
            if memory_format is not None and tensor.dim() in (4, 5):
                options["memory_format"] = memory_format
            return tensor.to(non_blocking=non_blocking, **options) if options else tensor

        return self._apply(convert)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Move to ``device`` without copying: the values are uninitialised."""
        return self._apply(lambda tensor: rustorch.empty_like(tensor, device=device), recurse=recurse)

    def type(self: Self, dst_type: Any) -> Self:
        """Cast all parameters and buffers, integer ones too, to ``dst_type``."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def _cast(self: Self, dtype: Any) -> Self:
        return self._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def float(self: Self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast(rustorch.float32)

    def double(self: Self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast(rustorch.float64)

    def half(self: Self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast(rustorch.float16)

    def bfloat16(self: Self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._cast(rustorch.bfloat16)

    def cpu(self: Self) -> Self:
        """Move to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self: Self, device: Any = None) -> Self:
        """Move to the GPU (``device``: its index)."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def share_memory(self) -> NoReturn:
        """Not built: tensors cannot be placed in memory shared between processes yet."""
        raise NotImplementedError("rustorch.nn.Module.share_memory is not implemented")

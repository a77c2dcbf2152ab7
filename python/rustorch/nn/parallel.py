"""Data parallelism on one machine."""

from __future__ import annotations

from typing import Any

from rustorch.nn.modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Splits a batch over several devices. With one device, which is what there is, it behaves as the module it holds.

    The module is kept as ``.module``, so names in the state dict begin with ``module.`` as in PyTorch.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise NotImplementedError("rustorch.nn.DataParallel over several devices is not implemented")
        self.module = module
        self.dim = dim
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

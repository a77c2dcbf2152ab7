"""The processor."""

from rustorch import _C

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The widest vector instructions that the kernels use on this machine."""
    return _C._cpu_capability()

"""Which rustorch this is, and which PyTorch it follows."""

from rustorch._C import __version__

__all__ = ["__version__", "cuda", "debug", "hip", "torch"]

#: The PyTorch release whose names, defaults, messages and numbers are followed.
torch: str = "2.13"
#: No CUDA, no ROCm: what other machines would need for their GPUs is not linked.
cuda: str | None = None
hip: str | None = None
debug: bool = False

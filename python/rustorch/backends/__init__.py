"""Which foreign libraries compute: none. Scripts that ask before they switch something on go on without it."""

from rustorch.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]

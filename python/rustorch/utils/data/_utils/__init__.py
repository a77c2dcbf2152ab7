"""The parts of the loader, in the places where PyTorch has them: ``collate``, ``fetch`` and ``worker``."""

from rustorch.utils.data._utils import collate, fetch, worker

__all__ = ["collate", "fetch", "worker"]

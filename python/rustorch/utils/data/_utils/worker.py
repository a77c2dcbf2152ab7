"""What a worker process of the loader knows about itself."""

from dataclasses import dataclass
from typing import Any

# What the answer to a task is: a batch, the end of the worker's stream, an exception, a native source's error.
DATA, END, ERROR, REFUSAL = range(4)

# Set by the program of a worker process.
_worker_info: "WorkerInfo | None" = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """The identity of a worker: its ``id`` of ``num_workers``, its ``seed`` and its own copy of the ``dataset``."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


def get_worker_info() -> WorkerInfo | None:
    """Returns the identity of the loader's worker that runs this code, None in the main process.

    Example::

        >>> from rustorch.utils.data import get_worker_info
        >>> get_worker_info() is None
        True
    """
    return _worker_info

"""What a worker process of the loader knows about itself."""

from typing import Any


def get_worker_info() -> Any:
    """Returns the identity of the loader's worker that runs this code, None in the main process.

    All code runs in the main process until the loader starts workers (``num_workers > 0``).

    Example::

        >>> from rustorch.utils.data import get_worker_info
        >>> get_worker_info() is None
        True
    """
    return None

"""What all workers of a loader are given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """The data set and how batches are made of it."""

    dataset: Any
    is_stream: bool
    auto_collation: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    worker_init_fn: Callable[[int], None] | None
    num_workers: int
    base_seed: int
    # What a stream is asked for a batch with.
    stream_keys: Any

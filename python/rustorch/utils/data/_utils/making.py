"""What a worker process does for one batch."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cloudpickle

import rustorch
from rustorch import Tensor
from rustorch.utils.data._utils import worker as worker_module
from rustorch.utils.data._utils.encoding import encode
from rustorch.utils.data._utils.failure import ExceptionWrapper
from rustorch.utils.data._utils.fetch import _IterableDatasetFetcher, _MapDatasetFetcher
from rustorch.utils.data._utils.packing import load_from
from rustorch.utils.data._utils.seeding import Seeder, key_of
from rustorch.utils.data._utils.worker import WorkerInfo

# What a worker's answer is: a batch, the end of its stream, an exception.
DATA, END, ERROR = range(3)


@dataclass(frozen=True)
class Job:
    """What all workers of a loader are given."""

    dataset: Any
    is_stream: bool
    auto_collation: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    worker_init_fn: Callable[[int], None] | None
    num_workers: int
    base_seed: int


class Task(NamedTuple):
    """One batch to make.

    ``position``: of its first sample in the epoch's order; for a stream, how many batches the worker's share of the
    stream has given before. ``index``: what the sampler gave; None where there is nothing to make.
    """

    epoch: int
    position: int
    index: Any


Answer = tuple[int, bytes, Sequence[Tensor]]


class Worker:
    """Makes batches; every answer is a kind, a skeleton and tensors."""

    def __init__(self, job: Job, worker: int) -> None:
        self._job = job
        self._id = worker
        self._epoch = 0
        self._ended = False
        self._fetcher: Any = None
        self._init_failure: ExceptionWrapper | None = None
        rustorch.set_num_threads(1)
        self._seeder = Seeder()
        self._seeder.once(job.base_seed, worker)
        worker_module._worker_info = WorkerInfo(worker, job.num_workers, job.base_seed + worker, job.dataset)
        try:
            if job.worker_init_fn is not None:
                job.worker_init_fn(worker)
            self._start_epoch(0)
        except Exception:
            self._init_failure = self._failure()

    def answer(self, payload: bytes) -> Answer:
        """The answer to a pickled task."""
        try:
            failure, self._init_failure = self._init_failure, None
            if failure is None:
                task = Task(*pickle.loads(payload))
                if task.index is None and not self._job.is_stream:
                    return END, b"", ()
                return self._make(task)
        except Exception:
            failure = self._failure()
        return ERROR, _pickled_failure(failure), ()

    def _failure(self) -> ExceptionWrapper:
        return ExceptionWrapper(where=f"in DataLoader worker process {self._id}")

    def _start_epoch(self, epoch: int) -> None:
        job = self._job
        if job.is_stream and epoch:
            self._seeder.sample(key_of(job.base_seed + self._id, epoch, 0))
        self._epoch, self._ended, self._given = epoch, False, 0
        options = (job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
        if job.is_stream:
            self._fetcher = _IterableDatasetFetcher(*options)
        else:
            self._fetcher = _MapDatasetFetcher(*options, before=self._before)

    def _make(self, task: Task) -> Answer:
        if task.epoch != self._epoch or self._fetcher is None:
            self._start_epoch(task.epoch)
        if self._job.is_stream:
            return self._from_stream(task)
        self._position = task.position
        return (DATA, *encode(self._fetcher.fetch(task.index)))

    def _before(self, offset: int) -> None:
        """Reseeds for the sample at this offset of the batch."""
        self._seeder.sample(key_of(self._job.base_seed, self._epoch, self._position + offset))

    def _from_stream(self, task: Task) -> Answer:
        """The next batch of the stream; a worker that took another's place first lets pass what that one gave."""
        while not self._ended:
            self._given += 1
            try:
                batch = self._fetcher.fetch(task.index)
            except StopIteration:
                self._ended = True
            except Exception:
                if self._given > task.position:
                    raise
            else:
                if self._given > task.position:
                    return (DATA, *encode(batch))
        return END, b"", ()


def _pickled_failure(failure: ExceptionWrapper) -> bytes:
    try:
        return cloudpickle.dumps(failure)
    except Exception:
        failure.exc_type = RuntimeError
        return cloudpickle.dumps(failure)


def load_job(descriptor: int) -> Job:
    """The job that lies in a memory file."""
    return load_from(descriptor)

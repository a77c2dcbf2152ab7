"""What a worker process does for one batch."""

import pickle
from collections.abc import Sequence
from typing import Any

import rustorch
from rustorch import Tensor
from rustorch._C import _data
from rustorch.utils.data._utils import worker as worker_module
from rustorch.utils.data._utils.encoding import encode
from rustorch.utils.data._utils.failure import ExceptionWrapper
from rustorch.utils.data._utils.fetch import _IterableDatasetFetcher, _MapDatasetFetcher
from rustorch.utils.data._utils.job import Job
from rustorch.utils.data._utils.seeding import Seeder
from rustorch.utils.data._utils.worker import DATA, END, ERROR, WorkerInfo

# Kind, number of samples, skeleton, tensors.
Made = tuple[int, int, bytes, Sequence[Tensor]]


class Maker:
    """Makes the batches of a job in the worker with this number."""

    def __init__(self, job: Job, worker: int) -> None:
        self._job = job
        self._id = worker
        self._epoch = 0
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

    def make(self, keys: bytes | list[int] | None, epoch: int, position: int) -> Made:
        """Makes the batch of the keys, pickled or a list, the first of which has this position in the epoch's order.

        A stream is asked without keys; its position is how many batches this worker's share of it has given before.
        """
        try:
            failure, self._init_failure = self._init_failure, None
            if failure is None:
                if epoch != self._epoch or self._fetcher is None:
                    self._start_epoch(epoch)
                if keys is None:
                    return self._of_stream(position)
                return self._of_keys(pickle.loads(keys) if isinstance(keys, bytes) else keys)
        except BaseException:
            failure = self._failure()
        return failed(failure)

    def _failure(self) -> ExceptionWrapper:
        return ExceptionWrapper(where=f"in DataLoader worker process {self._id}")

    def _start_epoch(self, epoch: int) -> None:
        job = self._job
        if job.is_stream and epoch:
            _data.begin_batch(job.base_seed + self._id, epoch, 0)
            self._seeder.sample(0)
        self._epoch, self._has_ended, self._given = epoch, False, 0
        options = (job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
        if job.is_stream:
            self._fetcher = _IterableDatasetFetcher(*options)
        else:
            self._fetcher = _MapDatasetFetcher(*options, before=self._seeder.sample)

    def _of_keys(self, keys: Any) -> Made:
        samples = len(keys) if self._job.auto_collation else 1
        return (DATA, samples, *encode(self._fetcher.fetch(keys)))

    def _of_stream(self, turn: int) -> Made:
        """The next batch of the stream; a worker that took another's place first lets pass what that one gave."""
        keys = self._job.stream_keys
        while not self._has_ended:
            self._given += 1
            try:
                batch = self._fetcher.fetch(keys)
            except StopIteration:
                self._has_ended = True
            except Exception:
                if self._given > turn:
                    raise
            else:
                if self._given > turn:
                    return (DATA, 0, *encode(batch))
        return END, 0, b"", ()


def failed(failure: ExceptionWrapper) -> Made:
    """The answer that raises an exception in the trainer."""
    import cloudpickle

    try:
        return ERROR, 0, cloudpickle.dumps(failure), ()
    except Exception:
        failure.exc_type = RuntimeError
        return ERROR, 0, cloudpickle.dumps(failure), ()

"""One pass over a loader with worker processes."""

import pickle
from typing import Any

from rustorch.utils.data._utils.encoding import decode
from rustorch.utils.data._utils.iterator import _BaseDataLoaderIter
from rustorch.utils.data._utils.making import END, ERROR, Job, Task
from rustorch.utils.data._utils.packing import dump_into
from rustorch.utils.data._utils.processes import WorkerProcesses

# Waiting is cut into slices of this many seconds, between which Ctrl-C is heard.
_SLICE = 1.0


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Epochs that worker processes load.

    Batches have numbers that count up from epoch to epoch, and number b is made by worker b % N.
    """

    _advice_on_length = (
        "For multiprocessing data-loading, this could be caused by not properly configuring the "
        "IterableDataset replica at each worker. Please see "
        "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
    )

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        if self._num_workers <= 0:
            raise AssertionError("num_workers must be greater than 0 for MultiProcessingDataLoaderIter")
        if self._prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._next_number = 0
        # The numbers that were asked for and not yet taken, with their samples.
        self._outstanding: dict[int, int] = {}
        self._processes = WorkerProcesses(self._num_workers)
        try:
            self._send_job(loader)
            self._start_epoch()
        except BaseException:
            self._processes.close()
            raise

    def _send_job(self, loader: Any) -> None:
        job = Job(
            dataset=self._dataset,
            is_stream=self._is_stream,
            auto_collation=self._auto_collation,
            collate_fn=self._collate_fn,
            drop_last=self._drop_last,
            worker_init_fn=loader.worker_init_fn,
            num_workers=self._num_workers,
            base_seed=self._base_seed,
        )
        dump_into(self._processes.job, job)

    def _reset(self, loader: Any) -> None:
        self._drop_outstanding()
        super()._reset(loader)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._position = self._progress.samples
        self._has_ended = [False] * self._num_workers
        self._given = [0] * self._num_workers
        self._fill_up_to_first_worker()
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()
        for _ in range(self._progress.batches if self._is_stream else 0):
            self._next_data()

    def _drop_outstanding(self) -> None:
        """What is left of an epoch that was broken off."""
        for number in self._outstanding:
            while self._processes.take(number, _SLICE) is None:
                pass
        self._outstanding.clear()

    def _fill_up_to_first_worker(self) -> None:
        """Every epoch begins with the first worker."""
        self._next_number += -self._next_number % self._num_workers

    def _try_put_index(self) -> None:
        """Asks for one more batch, if there is one, of the next worker whose stream has not ended."""
        try:
            index = self._next_index()
        except StopIteration:
            return
        if all(self._has_ended):
            return
        while self._has_ended[worker := self._next_number % self._num_workers]:
            self._next_number += 1
        task = Task(self._progress.epoch, self._given[worker] if self._is_stream else self._position, index)
        self._processes.push(self._next_number, pickle.dumps(tuple(task), protocol=5))
        self._outstanding[self._next_number] = self._samples_of(index)
        self._next_number += 1
        self._given[worker] += 1
        self._position += self._samples_of(index)

    def _next_data(self) -> tuple[Any, int]:
        while self._outstanding:
            number, (kind, skeleton, tensors) = self._take()
            samples = self._outstanding.pop(number)
            self._has_ended[number % self._num_workers] |= kind == END
            self._try_put_index()
            if kind == ERROR:
                self._progress.handed_out(samples)
                pickle.loads(skeleton).reraise()
            if kind != END:
                return decode(skeleton, tensors), samples
        if not self._persistent_workers:
            self._processes.close()
        raise StopIteration

    def _take(self) -> Any:
        wanted = next(iter(self._outstanding)) if self._in_order else None
        if self._timeout > 0:
            taken = self._processes.take(wanted, self._timeout)
            if taken is None:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            return taken
        while (taken := self._processes.take(wanted, _SLICE)) is None:
            pass
        return taken

    def __del__(self) -> None:
        processes = getattr(self, "_processes", None)
        if processes is not None:
            processes.close()

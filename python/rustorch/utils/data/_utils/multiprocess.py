"""One pass over a loader with workers."""

import pickle
import warnings
from collections import deque
from typing import Any

from rustorch.utils.data._utils.failure import raise_failure
from rustorch.utils.data._utils.iterator import _BaseDataLoaderIter
from rustorch.utils.data._utils.readers import native_columns
from rustorch.utils.data._utils.worker import END, ERROR, REFUSAL

_MANY_KEPT = (
    "More batches are kept than the data loader's shared memory holds: they are copied out of it, which costs time. "
    "Keep fewer batches, or raise prefetch_factor."
)
_OVER = object()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Epochs that workers load: processes, or, for plain tensors, threads that need no Python.

    ``_outstanding`` holds the tasks that were pushed and not yet taken, in their order: who is asked for a batch of a
    stream, and what the sampler gave. The client answers in that order.
    """

    _advice_on_length = (
        "For multiprocessing data-loading, this could be caused by not properly configuring the "
        "IterableDataset replica at each worker. Please see "
        "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
    )

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if self._num_workers <= 0:
            raise AssertionError("num_workers must be greater than 0 for MultiProcessingDataLoaderIter")
        if loader.prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._ahead = loader.prefetch_factor * self._num_workers
        self._outstanding: deque[tuple[int, Any]] = deque()
        self._columns = native_columns(loader)
        self._client: Any = None
        self._has_told_of_copies = False
        try:
            self._client = self._start(loader)
            self._start_epoch()
        except BaseException:
            self._close()
            raise

    def _start(self, loader: Any) -> Any:
        if self._columns is not None:
            self._readers = loader._readers
            return self._readers.start(self._columns, loader)
        from rustorch.utils.data._utils.workers import start_workers

        return start_workers(loader, self._base_seed)

    def _can_go_on(self, state: Any) -> bool:
        """Worker processes were told their seed when they started; threads draw nothing."""
        return not self._is_stream and (self._columns is not None or state["base_seed"] == self._base_seed)

    def _reset(self, loader: Any) -> None:
        # What is left of an epoch that was broken off. Only a stream's workers cannot leave anything out.
        if not self._is_stream and self._client.drop_outstanding():
            self._outstanding.clear()
        while self._outstanding:
            self._take()
            self._outstanding.popleft()
        super()._reset(loader)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._position = self._progress.samples
        self._has_ended = [False] * self._num_workers
        self._turns = [0] * self._num_workers
        self._last_place = -1
        for _ in range(self._ahead):
            self._try_put_index()
        for _ in range(self._progress.batches if self._is_stream else 0):
            self._next_data()

    def _try_put_index(self) -> None:
        """Asks for one more batch, if there is one."""
        if self._is_stream:
            self._try_put_turn()
            return
        index: Any = next(self._sampler_iter, _OVER)
        if index is _OVER:
            return
        samples, where = self._samples_of(index), (self._base_seed, self._progress.epoch, self._position)
        if self._columns is None:
            self._client.push_pickled(pickle.dumps(index, protocol=5), *where)
        else:
            self._client.push_indices(self._columns.rows(index), *where)
        self._outstanding.append((0, index))
        self._position += samples

    def _try_put_turn(self) -> None:
        """Asks the next worker whose stream has not ended."""
        for step in range(1, self._num_workers + 1):
            place = (self._last_place + step) % self._num_workers
            if not self._has_ended[place]:
                self._client.push_turn(place, self._turns[place], self._base_seed, self._progress.epoch)
                self._outstanding.append((place, self._next_index()))
                self._turns[place] += 1
                self._last_place = place
                return

    def _next_data(self) -> tuple[Any, int]:
        while self._outstanding:
            kind, skeleton, tensors = self._take()
            place, index = self._outstanding.popleft()
            self._has_ended[place] |= kind == END
            self._try_put_index()
            if kind in (ERROR, REFUSAL):
                self._progress.handed_out(self._samples_of(index))
                raise_failure(kind, skeleton, index)
            if kind != END:
                return self._decoded(skeleton, tensors), self._samples_of(index)
        self._end_epoch()
        raise StopIteration

    def _end_epoch(self) -> None:
        if not self._persistent_workers:
            self._close()

    def _decoded(self, skeleton: bytes, tensors: list[Any]) -> Any:
        if not skeleton:
            return tensors
        from rustorch.utils.data._utils.encoding import decode

        return decode(skeleton, tensors)

    def _take(self) -> Any:
        taken = self._client.next(self._timeout if self._timeout > 0 else None)
        if taken is None:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        if self._client.take_copied() and not self._has_told_of_copies:
            self._has_told_of_copies = True
            warnings.warn(_MANY_KEPT, stacklevel=5)
        return taken[1:]

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if self._columns is None or not self._readers.take_back(self._columns, client):
            client.close()

    def __del__(self) -> None:
        if hasattr(self, "_client"):
            self._close()

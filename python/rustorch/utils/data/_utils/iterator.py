"""One pass over a loader: what all ways of loading share, and the way without workers."""

import threading
import warnings
from typing import Any

from rustorch.utils.data._utils.fetch import _IterableDatasetFetcher, _MapDatasetFetcher
from rustorch.utils.data._utils.resume import Progress


class _BaseDataLoaderIter:
    """The sampler's iterator, the base seed, and the warnings."""

    _advice_on_length = ""

    def __init__(self, loader: Any) -> None:
        self._dataset = loader.dataset
        self._is_stream = loader._is_stream
        self._told_length = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._persistent_workers = loader.persistent_workers
        # Threads may share an iterator: each batch goes to one of them.
        self._one_at_a_time = threading.Lock()
        self._warn_of_pinning(loader)
        self._begin(loader)

    def _begin(self, loader: Any, epoch: int = 0, base_seed: int | None = None) -> None:
        """The beginning of an epoch, or where the state that was loaded left one."""
        resumed = loader._take_resumed()
        self._progress = Progress(loader, resumed, epoch, base_seed if resumed is None else None)
        self._base_seed = self._progress.base_seed
        self._sampler_iter = self._progress.indices
        self._num_yielded = self._progress.batches
        self._is_over = False

    @staticmethod
    def _warn_of_pinning(loader: Any) -> None:
        if loader.pin_memory and loader.pin_memory_device:
            warnings.warn(
                "pin_memory_device is deprecated, the current accelerator will be used as the device,"
                f"ignore pin_memory_device='{loader.pin_memory_device}'.",
                stacklevel=4,
            )
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, "
                "then device pinned memory won't be used.",
                stacklevel=4,
            )

    def __iter__(self) -> Any:
        return self

    def _reset(self, loader: Any) -> None:
        """Starts the next epoch."""
        self._begin(loader, self._progress.epoch + 1, self._base_seed)
        self._told_length = loader._IterableDataset_len_called

    def _can_go_on(self, state: Any) -> bool:
        """Whether the next epoch of this iterator may be the one of a state, to the same numbers."""
        return False

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _samples_of(self, index: Any) -> int:
        return len(index) if self._auto_collation else 1

    def _next_data(self) -> tuple[Any, int]:
        """The next batch, and of how many samples it is."""
        raise NotImplementedError

    def __next__(self) -> Any:
        with self._one_at_a_time:
            return self._next_batch()

    def _next_batch(self) -> Any:
        try:
            batch, samples = self._next_data()
        except StopIteration:
            self._is_over = True
            raise
        self._num_yielded += 1
        self._progress.handed_out(samples)
        if self._is_stream and self._told_length is not None and self._num_yielded > self._told_length:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {self._told_length}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
                + self._advice_on_length,
                stacklevel=3,
            )
        return batch

    def state(self) -> Any:
        """Where the epoch is; None when it is over."""
        return None if self._is_over else self._progress.state()

    def next(self) -> Any:
        """The old form of ``next(iterator)``."""
        return self.__next__()

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """An epoch that this process loads itself."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        fetcher = _IterableDatasetFetcher if self._is_stream else _MapDatasetFetcher
        self._fetch = fetcher(self._dataset, self._auto_collation, self._collate_fn, self._drop_last).fetch
        for _ in range(self._progress.batches if self._is_stream else 0):
            self._fetch(self._next_index())

    def _next_data(self) -> tuple[Any, int]:
        index = self._next_index()
        return self._fetch(index), self._samples_of(index)

"""The loader: an iterable of batches over a data set."""

import copy
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from rustorch import Generator
from rustorch.utils.data._utils.collate import default_collate, default_convert
from rustorch.utils.data._utils.iterator import _BaseDataLoaderIter, _SingleProcessDataLoaderIter
from rustorch.utils.data._utils.readers import Readers
from rustorch.utils.data._utils.resume import State, check, fresh
from rustorch.utils.data._utils.worker import get_worker_info
from rustorch.utils.data.dataset import Dataset, IterableDataset
from rustorch.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

Sample = TypeVar("Sample", covariant=True)

# What belongs to one loader and its running threads and processes.
_OWN = ("_latest", "_readers", "_fork_server")


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler[None]):
    """The keys of a stream: it needs none, and only itself knows when it ends."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[Sample]):
    """Batches of the samples of a data set; every ``iter()`` starts an epoch.

    Args:
        dataset: a map-style data set or a stream (:class:`IterableDataset`).
        batch_size: samples a batch; None gives single samples, without a batch dimension.
        shuffle: a new random order each epoch.
        sampler: an iterable of keys, instead of ``shuffle``.
        batch_sampler: an iterable of lists of keys, instead of ``batch_size``, ``shuffle``, ``sampler`` and
            ``drop_last``.
        num_workers: processes that load samples beside this one; 0: this process loads them itself.
        collate_fn: makes a batch of a list of samples; None: :func:`default_collate`, without batches
            :func:`default_convert`.
        pin_memory: accepted, with PyTorch's warning that no accelerator is found.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of the workers; 0: as long as it takes.
        worker_init_fn: called in each worker with its number, before it loads anything.
        multiprocessing_context: checked as PyTorch checks it; workers are never forks of this process.
        generator: where the random order comes from; None: the default generator.
        prefetch_factor: batches that each worker prepares ahead; None: 2 with workers.
        persistent_workers: keep the workers, and their copies of the data set, from epoch to epoch.
        in_order: False allows batches in the order in which they get ready.

    The data set travels to the workers by value (lambdas, closures, classes of a script work; nothing is imported
    again), its arrays once for all of them. A worker that dies is replaced, and its batch is made again with the same
    random numbers: ``random``, NumPy's global generator and rustorch are reseeded before every sample from the base
    seed, the epoch and the sample's place in it.

    Raises:
        ValueError: options that exclude each other or are out of range.

    Example::

        >>> import rustorch as torch
        >>> from rustorch.utils.data import DataLoader
        >>> for batch in DataLoader(range(5), batch_size=2):
        ...     print(batch)
        tensor([0, 1])
        tensor([2, 3])
        tensor([4])
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    batch_sampler: Any
    pin_memory_device: str
    prefetch_factor: int | None
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[Sample],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self._check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        stream = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if stream else _DatasetKind.Map
        if stream:
            self._check_stream(shuffle, sampler, batch_sampler)
        self._check_batching(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            sampler = self._default_sampler(shuffle, generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        # The length that len() told of a stream, to warn when more samples come.
        self._IterableDataset_len_called: int | None = None
        self._iterator: _BaseDataLoaderIter | None = None
        self._resumed: State | None = None
        self._begin_alone()
        self.check_worker_number_rationality(stacklevel=3)

    def _begin_alone(self) -> None:
        """What one loader keeps for itself from epoch to epoch, and copies of it do not get."""
        self._latest: Callable[[], _BaseDataLoaderIter | None] = lambda: None
        self._readers = Readers()
        self._fork_server: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_alone()

    @staticmethod
    def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")

    @property
    def multiprocessing_context(self) -> Any:
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        """How PyTorch would start its workers: the value is checked and kept."""
        if context is not None:
            import multiprocessing

            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                    f"but got num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                known = multiprocessing.get_all_start_methods()
                if context not in known:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {known!r}, but got "
                        f"multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying the "
                    f"start method, but got multiprocessing_context={context}"
                )
        self.__multiprocessing_context = context

    @staticmethod
    def _check_stream(shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
        """The order of a stream is its own: it takes no sampler."""
        expected = "DataLoader with IterableDataset: expected unspecified"
        if shuffle not in {False, None}:
            raise ValueError(f"{expected} shuffle option, but got shuffle={shuffle}")
        if sampler is not None:
            raise ValueError(f"{expected} sampler option, but got sampler={sampler}")
        if batch_sampler is not None:
            raise ValueError(f"{expected} batch_sampler option, but got batch_sampler={batch_sampler}")

    @staticmethod
    def _check_batching(
        batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")

    def _default_sampler(self, shuffle: bool | None, generator: Generator | None) -> Sampler[Any]:
        if self._dataset_kind == _DatasetKind.Iterable:
            return _InfiniteConstantSampler()
        return RandomSampler(self.dataset, generator=generator) if shuffle else SequentialSampler(self.dataset)

    def __setattr__(self, attr: str, val: Any) -> None:
        # The samplers were made from these.
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self.__initialized and attr in fixed:
            raise ValueError(f"{attr} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(attr, val)

    def __iter__(self) -> _BaseDataLoaderIter:
        if not self.persistent_workers:
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> _BaseDataLoaderIter:
        iterator: _BaseDataLoaderIter
        if self.num_workers == 0:
            iterator = _SingleProcessDataLoaderIter(self)
        else:
            from rustorch.utils.data._utils.multiprocess import _MultiProcessingDataLoaderIter

            self.check_worker_number_rationality(stacklevel=5)
            iterator = _MultiProcessingDataLoaderIter(self)
        self._latest = weakref.ref(iterator)
        return iterator

    def state_dict(self) -> State:
        """Returns where the latest iterator is in its epoch.

        :meth:`load_state_dict` of a loader over the same data set goes on from there, with any number of workers and
        any batch size.

        Example::

            >>> import rustorch as torch
            >>> from rustorch.utils.data import DataLoader
            >>> loader = DataLoader(range(6), batch_size=2, shuffle=True)
            >>> batches = iter(loader)
            >>> first = next(batches)
            >>> state = loader.state_dict()
            >>> other = DataLoader(range(6), batch_size=4, shuffle=True)
            >>> other.load_state_dict(state)
            >>> (torch.cat(list(batches)) == torch.cat(list(other))).all()
            tensor(True)
        """
        if self._resumed is not None:
            return copy.deepcopy(self._resumed)
        iterator = self._latest()
        state = None if iterator is None else iterator.state()
        return fresh(self) if state is None else state

    def load_state_dict(self, state_dict: State) -> None:
        """Makes the next ``iter()`` go on where a loader was when its :meth:`state_dict` was taken.

        Persistent workers stay for a state of their own run; others start anew, because workers know the run's seed.

        Raises:
            ValueError: the state is of another data set, or of a stream with another number of workers.
        """
        self._resumed = copy.deepcopy(check(self, state_dict))
        if self._resumed is None or self._iterator is None or not self._iterator._can_go_on(self._resumed):
            self._iterator = None

    def _take_resumed(self) -> State | None:
        resumed, self._resumed = self._resumed, None
        return resumed

    def check_worker_number_rationality(self, stacklevel: int = 2) -> None:
        """Warns when there are more workers than processors that this process may use."""
        processors = len(os.sched_getaffinity(0))
        if self.num_workers > processors:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {processors}, which is smaller than what this DataLoader is going to "
                "create. Please be aware that excessive worker creation might get DataLoader running slow or even "
                "freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=stacklevel,
            )

    @property
    def _is_stream(self) -> bool:
        return self._dataset_kind == _DatasetKind.Iterable

    @property
    def _auto_collation(self) -> bool:
        """Whether samples are put together to batches."""
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        """What says which samples come next: batches of keys, or keys."""
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


def __getattr__(name: str) -> Any:
    """The iterator with workers, and with it cloudpickle, is imported when it is first asked for."""
    if name == "_MultiProcessingDataLoaderIter":
        from rustorch.utils.data._utils.multiprocess import _MultiProcessingDataLoaderIter

        return _MultiProcessingDataLoaderIter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

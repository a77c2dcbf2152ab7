"""Batches of a pipeline: epochs that run on, so that the next one is prepared before this one has ended."""

import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rustorch._C import _data
from rustorch.utils.data._utils.failure import raise_failure
from rustorch.utils.data._utils.worker import END, ERROR, REFUSAL

if TYPE_CHECKING:
    from rustorch.data.pipeline import Pipeline

State = dict[str, int]
# Batches that are prepared ahead, and those that the trainer works on.
_SLOTS = 8
# The part of an epoch's time from which waiting for batches counts.
_NOTICEABLE = 0.1
_LEFT_OUT = object()
_ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class Skipped:
    """A batch that was left out: its epoch, the numbers of its samples, and the error in its place."""

    epoch: int
    samples: list[int]
    error: Exception


class Stream:
    """A client that follows a plan. Each ``iter()`` is the next epoch.

    An ``iter()`` in the middle of an epoch leaves the rest of it out; after :meth:`load_state_dict` it goes on in the
    middle. With ``on_error="skip"`` a batch that cannot be made is left out and reported in ``skipped``; the first one
    is warned of.
    """

    def __init__(self, on_error: str = "raise") -> None:
        if on_error not in _ON_ERROR:
            raise ValueError(f"on_error is 'raise' or 'skip', not {on_error!r}")
        self.on_error = on_error
        self.skipped: list[Skipped] = []
        self._client: Any = None
        self._state: State | None = None
        self._is_inside = False
        # The latest epoch; earlier ones are over.
        self._epoch: _Epoch | None = None
        # When it began, and how long had been waited before.
        self._begun: tuple[float, float] | None = None

    def _open(self, state: State | None) -> Any:
        raise NotImplementedError

    def _opened(self) -> Any:
        if self._client is None:
            state, self._state = self._state, None
            self._client = self._open(state)
        return self._client

    def _seek(self, state: State) -> None:
        """Goes on from a state, with all threads, workers and connections that there are."""
        if self._client is None or not self._client.seek(state):
            self._forget()
            self._state = dict(state)
            self._opened()
        self._epoch, self._is_inside = None, False

    def __iter__(self) -> Iterator[Any]:
        if self._is_inside:
            self._seek(self._after_this_epoch())
        self._opened()
        self._is_inside = True
        self._begun = time.perf_counter(), self._client.figures()[1]
        self._epoch = _Epoch(self)
        return self._epoch

    def _after_this_epoch(self) -> State:
        state = self._client.state()
        return {**state, "epoch": state["epoch"] + 1, "position": 0} if state["position"] else state

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self._opened().batches_per_epoch()

    def _next(self) -> Any:
        """The next batch; ``_LEFT_OUT`` where there is none in its place."""
        number, kind, skeleton, tensors = self._client.next()
        self._is_inside = not self._client.ends_epoch(number)
        if kind in (ERROR, REFUSAL):
            epoch, samples = self._client.samples_of(number)
            try:
                raise_failure(kind, skeleton, f"{samples} of epoch {epoch}")
            except Exception as error:
                if self.on_error == "raise":
                    raise
                self._leave_out(Skipped(epoch, samples, error))
            return _LEFT_OUT
        if kind == END:
            return _LEFT_OUT
        if not skeleton:
            return tensors
        from rustorch.utils.data._utils.encoding import decode

        return decode(skeleton, tensors)

    def _leave_out(self, batch: Skipped) -> None:
        if not self.skipped:
            warnings.warn(
                f"A batch is left out, samples {batch.samples} of epoch {batch.epoch}: {batch.error} "
                "(this one and all later ones are in the stream's `skipped`)",
                stacklevel=4,
            )
        self.skipped.append(batch)

    def state_dict(self) -> State:
        """Where the stream is, as a few integers; batches that were taken count as consumed."""
        return self._opened().state()

    def load_state_dict(self, state_dict: State) -> None:
        """Goes on from a state of a stream over the same source, of any batch size and number of workers.

        An epoch that is being read is over. Nothing is started anew for it.

        Raises:
            ValueError: the source has changed, or the order is another one.
        """
        self._seek(state_dict)

    def bottleneck(self) -> str:
        """Says of the latest epoch, so far, who was slower: the trainer, or those who make its batches."""
        if self._client is None or self._begun is None:
            return "nothing has been read yet"
        begin, waited_before = self._begun
        seconds = max(time.perf_counter() - begin, 1e-9)
        waited = self._client.figures()[1] - waited_before
        who = "the trainer" if waited < _NOTICEABLE * seconds else "the workers"
        return f"{who}: of {seconds:.2f} s the trainer waited {waited:.2f} s for batches"

    def _forget(self) -> None:
        client, self._client, self._is_inside, self._epoch = self._client, None, False, None
        if client is not None:
            client.close()

    def close(self) -> None:
        """Ends threads and worker processes. Batches that were taken stay."""
        self._forget()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Epoch:
    """What is left of one epoch."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # Threads may share an epoch: each batch goes to one of them.
        self._one_at_a_time = threading.Lock()

    def __iter__(self) -> "_Epoch":
        return self

    def __next__(self) -> Any:
        with self._one_at_a_time:
            while self._stream._epoch is self and self._stream._is_inside:
                batch = self._stream._next()
                if batch is not _LEFT_OUT:
                    return batch
        raise StopIteration


def plan_of(pipeline: "Pipeline", size: int, drop_last: bool, rank: int, ranks: int) -> dict[str, Any]:
    """The plan as the native side reads it."""
    tail = "drop" if drop_last else "keep"
    order, seed = pipeline.order, pipeline.seed
    return {"batch_size": size, "seed": seed, "shuffle": order, "tail": tail, "rank": rank, "ranks": ranks}


class Batches(Stream):
    """Batches of a pipeline, made in this process or, where Python functions are part of it, by its worker processes.

    Args:
        pipeline: what gives the samples.
        size: samples a batch.
        drop_last: leave out an epoch's last batch when it is not full.
        workers: threads, or processes, that make batches.
        rank, ranks: the part of each global batch of ``size * ranks`` samples that this process gets.
        on_error: "raise" the error of a batch in its place, or "skip" the batch.

    Raises:
        OSError, RuntimeError, ValueError: the source cannot be opened, as :class:`Pipeline` says, or a number is wrong.

    Example::

        >>> import numpy, tempfile
        >>> from rustorch import data
        >>> path = tempfile.mkdtemp() + "/x.npy"
        >>> numpy.save(path, numpy.arange(5))
        >>> batches = data.npy(path).shuffle(seed=1).batch(5)
        >>> [sorted(x.tolist()) for (x,) in batches]
        [[0, 1, 2, 3, 4]]
    """

    def __init__(
        self,
        pipeline: "Pipeline",
        size: int,
        drop_last: bool = False,
        workers: int = 2,
        rank: int = 0,
        ranks: int = 1,
        on_error: str = "raise",
    ) -> None:
        super().__init__(on_error)
        if not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={size}")
        if not (isinstance(workers, int) and workers > 0):
            raise ValueError(f"workers should be a positive integer value, but got workers={workers}")
        self.pipeline = pipeline
        self.size = size
        self.drop_last = drop_last
        self.workers = workers
        self._plan = plan_of(pipeline, size, drop_last, rank, ranks)
        self._length = pipeline.source.batches_per_epoch(self._plan)

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self._length

    def __repr__(self) -> str:
        return f"Batches({self.pipeline}, size={self.size}, drop_last={self.drop_last}, workers={self.workers})"

    def _open(self, state: State | None) -> Any:
        if not self.pipeline.functions:
            return _data.Client.of_source(self.pipeline.source, self._plan, self.workers, _SLOTS, state)
        from rustorch.data.jobs import open_workers

        return open_workers(self.pipeline, self._plan, self.workers, _SLOTS, state)

"""Getting the samples of one batch out of a data set."""

from collections.abc import Callable, Sequence
from typing import Any


class _IterableDatasetFetcher:
    """Takes the next samples of a stream, however the sampler names them."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self._stream = iter(dataset)
        self._ended = False
        self._auto_collation = auto_collation
        self._collate = collate_fn
        self._drop_last = drop_last

    def fetch(self, batch: Sequence[Any]) -> Any:
        if self._ended:
            raise StopIteration
        if not self._auto_collation:
            return self._collate(next(self._stream))
        samples = []
        for _ in batch:
            try:
                samples.append(next(self._stream))
            except StopIteration:
                # What was read so far is the last batch; the stream is not asked again.
                self._ended = True
                break
        if not samples or (self._drop_last and len(samples) < len(batch)):
            raise StopIteration
        return self._collate(samples)


class _MapDatasetFetcher:
    """Looks samples up by index, all of a batch at once where the data set can (``__getitems__``; a pipeline of
    ``rustorch.data`` by ``_rustorch_batch``, which says when each begins).

    ``before(offset)`` is called before the sample at this offset of the batch is looked up; before all of them where
    the data set gives them at once.
    """

    def __init__(
        self,
        dataset: Any,
        auto_collation: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
        before: Callable[[int], None] | None = None,
    ) -> None:
        self._dataset = dataset
        self._auto_collation = auto_collation
        self._collate = collate_fn
        self._before = before

    def fetch(self, index: Any) -> Any:
        dataset, before = self._dataset, self._before
        if before is not None:
            before(0)
        if not self._auto_collation:
            return self._collate(dataset[index])
        if hasattr(dataset, "_rustorch_batch"):
            return self._collate(dataset._rustorch_batch(index, before))
        many = getattr(dataset, "__getitems__", None)
        if many:
            return self._collate(many(index))
        if before is None:
            return self._collate([dataset[position] for position in index])
        samples = []
        for offset, position in enumerate(index):
            if offset:
                before(offset)
            samples.append(dataset[position])
        return self._collate(samples)

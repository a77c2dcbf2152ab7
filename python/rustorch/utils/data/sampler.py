"""Samplers: the orders in which the samples of a data set are visited.

The draws and their order are PyTorch's, so that the same seed gives the same batches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import Any, Generic, TypeVar

import rustorch
from rustorch import Generator, Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

Key = TypeVar("Key", covariant=True)

# With replacement, positions are drawn this many at a time.
_DRAWN_AT_ONCE = 32
# Numbers of an order that become a list at once.
_LISTED_AT_ONCE = 1024


class Sampler(Generic[Key]):
    """The base of all samplers: an iterable of keys (or lists of keys) of a data set, mostly with a length."""

    def __iter__(self) -> Iterator[Key]:
        raise NotImplementedError

    # No default __len__: len() of a sampler that does not know its length must raise TypeError.


class SequentialSampler(Sampler[int]):
    """Every position once, from first to last."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Positions in random order.

    Args:
        data_source: what has the positions.
        replacement: draw each position independently of those before.
        num_samples: how many to draw; None: as many as there are. Without replacement, a whole random order is followed
            by the next.
        generator: where the draws come from; None: a new generator an iteration, seeded by the default one.

    Raises:
        TypeError: ``replacement`` is no bool.
        ValueError: ``num_samples`` is no positive int.

    Example::

        >>> from rustorch.utils.data import RandomSampler
        >>> sorted(RandomSampler(range(4)))
        [0, 1, 2, 3]
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        """How many positions an iteration gives; follows the data source where it was not fixed."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        return self._in_order_of(None, lambda _: None)

    def _in_order_of(self, seed: int | None, began: Callable[[int], None], start: int = 0) -> Iterator[int]:
        """The order of a seed from its place ``start`` on; without a generator and a seed, of one that is drawn.

        ``began`` is told which.
        """
        return chain.from_iterable(self._lists_of(seed, began, start))

    def _lists_of(self, seed: int | None, began: Callable[[int], None], start: int) -> Iterator[list[int]]:
        """The order, part by part."""
        generator = self.generator
        if generator is None:
            seed = _draw_seed(None) if seed is None else seed
            began(seed)
            generator = Generator()
            generator.manual_seed(seed)
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            chunks = [_DRAWN_AT_ONCE] * (wanted // _DRAWN_AT_ONCE) + [wanted % _DRAWN_AT_ONCE]
            for chunk in chunks:
                yield rustorch.randint(size, (chunk,), dtype=rustorch.int64, generator=generator).tolist()[start:]
                start = max(0, start - chunk)
            return
        # The last order is drawn even where none of it is used: the generator must end where PyTorch's does.
        for taken in [size] * (wanted // size) + [wanted % size]:
            yield from _lists(rustorch.randperm(size, generator=generator)[:taken], start)
            start = max(0, start - taken)

    def __len__(self) -> int:
        return self.num_samples


def _lists(order: Tensor, start: int = 0) -> Iterator[list[int]]:
    """An order's numbers from its place ``start`` on.

    One list of all would take memory, and make the first batch of an epoch wait for it.
    """
    for begin in range(start, len(order), _LISTED_AT_ONCE):
        yield order[begin : begin + _LISTED_AT_ONCE].tolist()


def _draw_seed(generator: Generator | None) -> int:
    """Draws a seed for another generator."""
    return int(rustorch.empty((), dtype=rustorch.int64).random_(generator=generator).item())


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = rustorch.randperm(len(self.indices), generator=self.generator)
        yield from map(self.indices.__getitem__, chain.from_iterable(_lists(order)))

    def __len__(self) -> int:
        return len(self.indices)


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class WeightedRandomSampler(Sampler[int]):
    """Positions drawn with probabilities in proportion to ``weights``.

    Raises:
        ValueError: ``num_samples`` is no positive int, ``replacement`` no bool, or ``weights`` not one-dimensional.

    Example::

        >>> from rustorch.utils.data import WeightedRandomSampler
        >>> list(WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not _is_positive_int(num_samples):
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = rustorch.as_tensor(weights, dtype=rustorch.float64)
        if self.weights.dim() != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = rustorch.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from chain.from_iterable(_lists(drawn))

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups what another sampler gives into lists of ``batch_size``; ``drop_last`` leaves out a shorter last one.

    Raises:
        ValueError: ``batch_size`` is no positive int, or ``drop_last`` no bool.

    Example::

        >>> from rustorch.utils.data import BatchSampler, SequentialSampler
        >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not _is_positive_int(batch_size):
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._of(iter(self.sampler))

    def _of(self, positions: Iterator[int]) -> Iterator[list[int]]:
        """Batches of the given positions."""
        while batch := list(islice(positions, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else (count + self.batch_size - 1) // self.batch_size

"""Where a loader is in its epoch, as a few integers, and how another loader goes on from there.

The order of an epoch is that of its sampler, so a state says how the sampler's draws began (a seed; for samplers that
draw from a given generator, that generator's state) and how many samples were handed out. Neither the number of workers
nor the batch size is part of it, except for streams, which only their workers know.
"""

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import Any

from rustorch import Generator, default_generator
from rustorch.utils.data.distributed import DistributedSampler
from rustorch.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, _draw_seed

_VERSION = 1
State = dict[str, Any]


def fingerprint(dataset: Any) -> int:
    """63 bits of what a data set shows of itself without being read: class, length, shapes."""
    import hashlib  # which loads OpenSSL: a tenth of what importing the loader costs

    words = [type(dataset).__module__, type(dataset).__qualname__]
    with suppress(TypeError, NotImplementedError):
        words.append(str(len(dataset)))
    tensors = getattr(dataset, "tensors", ())
    words += [f"{getattr(tensor, 'dtype', None)} {tuple(getattr(tensor, 'shape', ()))}" for tensor in tensors]
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "big") >> 1


def _sampler(loader: Any) -> Any:
    """What gives single positions."""
    batches = loader.batch_sampler
    return batches.sampler if type(batches) is BatchSampler else (batches or loader.sampler)


def _generators(loader: Any) -> list[Generator]:
    """The generators that an epoch draws from, the default one left out."""
    found: list[Generator] = []
    for owner in (loader, _sampler(loader)):
        generator = getattr(owner, "generator", None)
        if generator is not None and all(generator is not other for other in found):
            found.append(generator)
    return found


def _is_by_seed(sampler: Any) -> bool:
    return type(sampler) is RandomSampler and sampler.generator is None


def _draws_by_default(sampler: Any) -> bool:
    """Whether an iteration may draw from the default generator itself."""
    known = type(sampler) in (SequentialSampler, RandomSampler, DistributedSampler)
    return not known and getattr(sampler, "generator", None) is None


class Progress:
    """The beginning of an epoch, and how far it has got.

    ``indices`` is what the sampler gives from here on. ``resumed`` is the state to go on from; ``base_seed`` is given
    where workers stay from epoch to epoch.
    """

    def __init__(self, loader: Any, resumed: State | None, epoch: int = 0, base_seed: int | None = None) -> None:
        # A loader whose workers stay holds the iterator that holds this: no cycle may keep the workers.
        self._loader_while_it_lives = weakref.ref(loader)
        self._resumed = resumed
        if resumed is not None:
            for generator, state in zip(_generators(loader), resumed["generators"], strict=True):
                generator.set_state(state)
        self.epoch = resumed["epoch"] if resumed else epoch
        self.batches = resumed["batches"] if resumed else 0
        self.samples = resumed["samples"] if resumed else 0
        self._order_seed: int | None = resumed["order_seed"] if resumed else None
        self._states = [generator.get_state() for generator in _generators(loader)]
        self._default: Any = None
        if not loader._is_stream and _draws_by_default(_sampler(loader)):
            self._default = resumed["default_generator"] if resumed else default_generator.get_state()
        with self._as_then():
            positions = self._positions()
            # How often the sampler is asked for an iterator, and whether a base seed is drawn: as PyTorch does.
            self._openings = 1 + (base_seed is None and loader.num_workers > 0)
            self._draws = int(base_seed is None)
            if resumed is not None:
                self._openings, self._draws = resumed["openings"], resumed["draws"]
            self.base_seed = self._draw_base_seed() if base_seed is None else base_seed
            for _ in range(1, self._openings):
                positions = self._positions()
            self.indices = self._from_here(positions)

    @property
    def _loader(self) -> Any:
        return self._loader_while_it_lives()

    def _draw_base_seed(self) -> int:
        """Drawn without workers too: what is drawn afterwards depends on it."""
        generator = self._loader.generator
        if self._resumed is None:
            return _draw_seed(generator)
        if self._draws and (generator is not None or self._default is not None):
            _draw_seed(generator)
        return self._resumed["base_seed"]

    def _from_here(self, positions: Iterator[Any]) -> Iterator[Any]:
        batches = self._loader.batch_sampler
        is_plain = type(batches) is BatchSampler
        if self._resumed is not None and not self._loader._is_stream:
            by_seed = _is_by_seed(_sampler(self._loader))
            positions = _past(positions, 0 if by_seed else self._passed)
        return batches._of(positions) if is_plain else positions

    @property
    def _passed(self) -> int:
        """Positions that were had before the state was saved."""
        return self.samples if type(self._loader.batch_sampler) is BatchSampler else self.batches

    def _positions(self) -> Iterator[Any]:
        sampler = _sampler(self._loader)
        if _is_by_seed(sampler):
            return sampler._in_order_of(self._order_seed, self._began, self._passed)
        # BatchSampler asks its sampler for an iterator when the first batch is wanted, not before.
        return _lazily(sampler) if type(self._loader.batch_sampler) is BatchSampler else iter(sampler)

    def _began(self, seed: int) -> None:
        self._order_seed = seed

    @contextmanager
    def _as_then(self) -> Iterator[None]:
        """The default generator as it was when the epoch began, for samplers that draw from it."""
        if self._default is None or self._resumed is None:
            yield
            return
        now = default_generator.get_state()
        default_generator.set_state(self._default)
        try:
            yield
        finally:
            default_generator.set_state(now)

    def handed_out(self, samples: int) -> None:
        self.batches += 1
        self.samples += samples

    def state(self) -> State:
        return {
            **fresh(self._loader),
            "base_seed": self.base_seed,
            "epoch": self.epoch,
            "batches": self.batches,
            "samples": self.samples,
            "openings": self._openings,
            "draws": self._draws,
            "order_seed": self._order_seed,
            "generators": [state.clone() for state in self._states],
            "default_generator": None if self._default is None else self._default.clone(),
        }


def _lazily(positions: Iterable[Any]) -> Iterator[Any]:
    yield from positions


def _past(positions: Iterator[Any], count: int) -> Iterator[Any]:
    """The iterator from its count-th element on. The first elements are drawn now."""
    next(islice(positions, count, count), None)
    first = list(islice(positions, 1))
    return chain(first, positions)


def fresh(loader: Any) -> State:
    """The state between epochs: there is nothing to go on from."""
    stream = {"num_workers": loader.num_workers, "batch_size": loader.batch_size} if loader._is_stream else None
    return {"version": _VERSION, "fingerprint": fingerprint(loader.dataset), "stream": stream, "batches": 0}


def check(loader: Any, state: State) -> State | None:
    """The state to go on from; None for one that stands between epochs.

    Raises:
        ValueError: the state is of another data set, another version, or of a stream with other workers.
    """
    if state.get("version") != _VERSION:
        raise ValueError(f"the state has version {state.get('version')}, this loader reads version {_VERSION}")
    here = fresh(loader)
    if state["fingerprint"] != here["fingerprint"]:
        raise ValueError("the state belongs to another data set: class, length or shapes differ")
    if state["stream"] != here["stream"]:
        raise ValueError(
            f"a stream can only be resumed as it was begun, with {state['stream']}; this loader has {here['stream']}: "
            "which samples a worker's share of the stream holds, only the data set knows"
        )
    if state["batches"] and len(state["generators"]) != len(_generators(loader)):
        raise ValueError("the state was saved by a loader with other generators")
    return dict(state) if state["batches"] else None

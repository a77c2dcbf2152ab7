"""Random numbers in workers: a function of the sample's place in the epoch, not of the worker that loads it.

Before every sample ``random``, ``numpy.random`` and rustorch are reseeded from (base seed, epoch, position), so the
same numbers come whatever the number of workers, and a batch made again after a worker's death has the same bytes.
Most samples draw nothing, or from one generator only: each is seeded when it is first drawn from.
"""

import random
import sys
from importlib.machinery import PathFinder
from typing import Any

import rustorch
from rustorch._C import _data


class _LazyRandom(random.Random):
    """The hidden instance behind ``random.random()`` and the others: seeded by the pending key at the first draw.

    The instance's class is changed to this one, so that functions imported by name long ago are reached too.
    """

    pending: int | None

    def _wake(self) -> None:
        key, self.pending = self.pending, None
        super().seed(key)

    def random(self) -> float:
        if self.pending is not None:
            self._wake()
        return super().random()

    def getrandbits(self, k: int) -> int:
        if self.pending is not None:
            self._wake()
        return super().getrandbits(k)

    def seed(self, *args: Any, **kwargs: Any) -> None:
        self.pending = None
        super().seed(*args, **kwargs)

    def getstate(self) -> Any:
        if self.pending is not None:
            self._wake()
        return super().getstate()

    def setstate(self, state: Any) -> None:
        self.pending = None
        super().setstate(state)


# What `random` took from its instance when it was imported and what does not end in the two drawing methods above.
_BOUND_EARLY = ("random", "getrandbits", "seed", "getstate", "setstate", "randbytes")


def make_lazy() -> _LazyRandom:
    """Makes the hidden instance of ``random`` lazy; returns it."""
    instance: Any = random._inst  # type: ignore[attr-defined]
    if type(instance) is not _LazyRandom:
        instance.__class__ = _LazyRandom
        instance.pending = None
        for name in _BOUND_EARLY:
            setattr(random, name, getattr(instance, name))
    return instance


class _OnImport:
    """A finder that tells when a module is imported for the first time."""

    def __init__(self, name: str, then: Any) -> None:
        self.name = name
        self.then = then

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.name:
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute, then = spec.loader.exec_module, self.then

            def exec_module(module: Any) -> None:
                execute(module)
                then()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class Seeder:
    """Reseeds the three generators of this process; NumPy's from the moment on when somebody imports it.

    ``_data.begin_sample`` knows the batch whose samples follow: it seeds rustorch's generator, leaves a key for NumPy's
    and gives the same key for ``random``.
    """

    def __init__(self) -> None:
        self._python = make_lazy()
        self._words: list[int] | None = None
        self._numpy: Any = None
        if "numpy.random" in sys.modules:
            self._numpy_came()
        else:
            sys.meta_path.insert(0, _OnImport("numpy.random", self._numpy_came))  # type: ignore[arg-type]

    def _numpy_came(self) -> None:
        from rustorch.utils.data._utils.numpy_bits import LazyNumpy

        self._numpy = LazyNumpy()
        self._seed_numpy_once()

    def _seed_numpy_once(self) -> None:
        if self._numpy is not None and self._words is not None:
            numpy_random = sys.modules["numpy.random"]
            numpy_random.seed(numpy_random.SeedSequence(self._words).generate_state(4))

    def once(self, base_seed: int, worker: int) -> None:
        """The worker's own seeds, as PyTorch gives them: for ``worker_init_fn`` and streams."""
        seed = base_seed + worker
        random.seed(seed)
        rustorch.manual_seed(seed)
        self._words = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        self._seed_numpy_once()

    def sample(self, offset: int) -> None:
        """The seeds of the sample at this offset of the batch."""
        key, numpy_was_drawn = _data.begin_sample(offset)
        python = self._python
        python.pending = key
        python.gauss_next = None  # type: ignore[attr-defined]
        self._words = None
        if numpy_was_drawn and self._numpy is not None:
            self._numpy.forget_gauss()

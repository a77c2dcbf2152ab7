"""NumPy's global generator in a worker: seeded by the sample's key when it is first drawn from."""

from typing import Any

# By name: this is imported while `numpy.random` is, before it is an attribute of `numpy`.
from numpy.random import MT19937, get_bit_generator, seed, set_bit_generator  # type: ignore[attr-defined]

from rustorch._C import _data

_ANY_SEED = 1


class _LazyBits(MT19937):
    """NumPy's own Mersenne Twister behind functions that seed it first where a key is pending.

    ``capsule`` is what NumPy's distributions draw from. Who looks at the state, or sets it, gets NumPy's own.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__(_ANY_SEED)
        self._inner = inner
        self._is_keeping = False

    def _legacy_seeding(self, given: Any) -> None:
        if not self._is_keeping:
            _data.forget_bits()
            self._inner._legacy_seeding(given)

    @property
    def state(self) -> Any:
        _data.wake_bits()
        return self._inner.state

    @state.setter
    def state(self, value: Any) -> None:
        _data.forget_bits()
        self._inner.state = value


class LazyNumpy:
    """Puts the lazy generator in the place of the global one."""

    def __init__(self) -> None:
        inner: Any = get_bit_generator()
        inner._legacy_seeding(_ANY_SEED)
        _LazyBits.capsule = _data.lazy_bits(inner.capsule, _ANY_SEED)  # type: ignore[misc, assignment]
        self._bits = _LazyBits(inner)
        set_bit_generator(self._bits)

    def forget_gauss(self) -> None:
        """The legacy normal distribution makes two numbers at a time; the second is void in the next sample."""
        self._bits._is_keeping = True
        try:
            seed(_ANY_SEED)
        finally:
            self._bits._is_keeping = False

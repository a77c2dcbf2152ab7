"""The two refusals of serialization."""

import pickle

__all__ = ["PicklingError", "UnpicklingError"]


class UnpicklingError(pickle.UnpicklingError):
    """A file holds something that is not loaded: damage, an opcode or a global outside the closed list."""


class PicklingError(pickle.PicklingError):
    """An object holds something that could not be loaded again."""

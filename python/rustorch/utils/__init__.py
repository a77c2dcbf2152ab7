"""What stands around the framework; ``rustorch.utils.data`` loads data."""

from rustorch.utils import data

__all__ = ["data"]

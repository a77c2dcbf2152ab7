"""Not linked: the kernels are rustorch's own."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False

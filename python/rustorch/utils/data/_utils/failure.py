"""An exception of a worker, on its way to the caller."""

import pickle
import sys
import traceback
from typing import Any, NoReturn

from rustorch._C import _data
from rustorch.utils.data._utils.worker import ERROR


class _PlainKeyErrorText(str):
    """``str(KeyError(text))`` is the text's repr, which would put a traceback on one line."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The class and the formatted traceback of the exception being handled; ``reraise`` raises it again elsewhere."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        info: Any = sys.exc_info() if exc_info is None else exc_info
        self.exc_type: Any = info[0]
        # Only text is kept: a traceback object would keep frames alive.
        self.exc_msg = "".join(traceback.format_exception(*info))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raises an exception of the original class with the worker's traceback as its text."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if not issubclass(self.exc_type, Exception):
            # What ends a worker (SystemExit, KeyboardInterrupt) is not to end the caller.
            raise RuntimeError(text)
        if self.exc_type is KeyError:
            text = _PlainKeyErrorText(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            exception = self.exc_type(text)
        except Exception:
            # A class that wants other arguments than a text.
            raise RuntimeError(text) from None
        raise exception


def raise_failure(kind: int, skeleton: bytes, index: Any) -> NoReturn:
    """Raises what a worker, or who watches it, sent in the place of the batch of these keys."""
    if kind == ERROR:
        pickle.loads(skeleton).reraise()
    try:
        _data.raise_refusal(skeleton)
    except Exception as refusal:
        refusal.add_note(f"The samples of the batch: {index}")
        raise
    raise AssertionError("a refusal is always raised")

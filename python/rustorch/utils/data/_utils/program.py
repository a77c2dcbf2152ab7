"""The program of a worker process. It never imports the trainer's script."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from rustorch._C import _data
from rustorch.utils.data._utils.failure import ExceptionWrapper
from rustorch.utils.data._utils.making import Maker, failed
from rustorch.utils.data._utils.packing import load_from

_CODE = "import sys; sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; from {module} import main; main({early!r})"
# What a job is likely to need where the trainer has it: imported while the job is still being packed.
_EARLY = ("numpy",)


def command() -> tuple[str, list[str]]:
    """The interpreter and its arguments: this one's flags and import path, and the program below."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    early = [name for name in _EARLY if name in sys.modules]
    code = _CODE.format(path=sys.path, argv=sys.argv, module=__name__, early=early)
    return sys.executable, [*flags, "-c", code]


def main(early: list[str]) -> None:
    """A worker's life: it makes the batches that it is asked for until the trainer hangs up."""
    # Ctrl-C is the trainer's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in early:
        importlib.import_module(name)
    _data.run_worker(_start)
    sys.stdout.flush()
    sys.stderr.flush()
    # What finalizers of libraries would do takes time, and nobody waits for it.
    os._exit(0)


def _start(place: int, places: int, job: bytes, file: int) -> Callable[..., Any]:
    """The function that makes batches."""
    try:
        loaded = load_from(file)
    except Exception:
        failure = ExceptionWrapper(where=f"in DataLoader worker process {place}")
        return lambda keys, epoch, position: failed(failure)
    finally:
        os.close(file)
    return Maker(loaded, place).make

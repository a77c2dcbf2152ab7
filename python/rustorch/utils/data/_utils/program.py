"""The program of worker processes. It never imports the trainer's script."""

import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from rustorch._C import _data
from rustorch.utils.data._utils.failure import ExceptionWrapper
from rustorch.utils.data._utils.making import Maker, failed
from rustorch.utils.data._utils.unpacking import load_from

# Where users say how many threads NumPy's products have.
_THREADS = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS"}


def main(early: list[str]) -> None:
    """The life of the processes: one loads what workers need, and its forks make the batches that they are asked for
    until the trainer hangs up."""
    # Ctrl-C is the trainer's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not _data.bind_worker():
        os._exit(0)
    # A worker computes with one thread, as PyTorch's do: NumPy's products too, unless the user says otherwise. Starting
    # their threads would cost more than the rest of NumPy, and a process with threads cannot be forked.
    if not _THREADS.intersection(os.environ):
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if all(os.environ.get(name, "1") == "1" for name in _THREADS):
        for name in early:
            importlib.import_module(name)
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    if not _data.serve_forks():
        os._exit(0)
    gc.enable()
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

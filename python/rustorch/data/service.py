"""The service: a process of its own that streams a pipeline's batches to scripts of the same user on this machine."""

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from rustorch._C import _data
from rustorch.data.batches import Batches, State, Stream, plan_of
from rustorch.data.pipeline import Pipeline

# Workers and clients import this module too, and start no service: what starts one is imported where it does.
if TYPE_CHECKING:
    import subprocess

# What forks the workers takes longest to load, so it is started before anything else is imported. It must not hold what
# the script waits for the end of.
_CODE = """
import os, sys
sys.path[:] = {path!r}
for descriptor in {own!r}:
    os.set_inheritable(descriptor, False)
from rustorch._C import _data
forks = [_data.ForkServer(*command) for command in {commands!r}]
from rustorch.data.daemon import main
main({options!r})
"""
_PATIENCE = 5.0
# Batch size, workers, and whether a last batch that is not full is left out.
_USUAL = (64, 2, False)
# What a service may refuse to start with.
_REFUSALS: dict[str, type[Exception]] = {"ValueError": ValueError, "OSError": OSError, "KeyError": KeyError}


class Service:
    """A running service. ``address`` is what :func:`connect` takes; leaving the ``with`` block ends it.

    It ends with the process that started it, too. Clients of a service that ends keep the batches that are ready and
    wait until one is back at the address.
    """

    def __init__(self, address: str, process: "subprocess.Popen[bytes]", life: int, folder: str | None) -> None:
        self.address = address
        self._process = process
        self._life = life
        self._folder = folder
        self._owner = os.getpid()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Ends the service: batches under way are finished first."""
        if self._life < 0 or os.getpid() != self._owner:
            return
        import subprocess

        os.close(self._life)
        self._life = -1
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            _take_away(self._folder)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Service(address={self.address!r}, pid={self.pid})"


def serve(
    source: Pipeline | Batches,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    workers: int | None = None,
    drop_last: bool | None = None,
    address: str | None = None,
) -> Service:
    """Starts a service process for a pipeline and waits until it can be connected to.

    Args:
        source: the pipeline, or batches of one; its own ``shuffle()`` counts where ``shuffle`` is False.
        batch_size, shuffle, seed, drop_last: the stream of clients that ask for no other. What is not given is as the
            batches say, or 64 samples, in order, and the last batch kept.
        workers: threads for each client (default 2); processes where the pipeline holds Python functions.
        address: ``unix:PATH``; None chooses a socket in a new private folder.

    Raises:
        OSError, ValueError: what the service could not do, in its words.

    Example::

        >>> import numpy, tempfile
        >>> from rustorch import data
        >>> path = tempfile.mkdtemp() + "/x.npy"
        >>> numpy.save(path, numpy.arange(6))
        >>> with data.serve(data.npy(path), batch_size=4) as service:
        ...     with data.connect(service.address) as stream:
        ...         [x.tolist() for (x,) in stream]
        [[0, 1, 2, 3], [4, 5]]
    """
    import tempfile

    usual_size, usual_workers, usual_drop = _USUAL
    if isinstance(source, Batches):
        usual_size, usual_workers, usual_drop = source.size, source.workers, source.drop_last
        source = source.pipeline
    batch_size = usual_size if batch_size is None else batch_size
    workers = usual_workers if workers is None else workers
    drop_last = usual_drop if drop_last is None else drop_last
    if shuffle:
        source = source.shuffle(seed)
    folder = tempfile.mkdtemp(prefix="rustorch-data-") if address is None else None
    address = f"unix:{folder}/data.sock" if address is None else address
    plan = plan_of(source, batch_size, drop_last, 0, 1)
    options: dict[str, Any] = {"address": address, "text": source.text, "root": source.root, "plan": plan}
    options.update(workers=workers, name=_name_of(source), crew=None, folder=folder)
    try:
        return _start(address, source, options, folder)
    except BaseException:
        if folder is not None:
            _take_away(folder)
        raise


def _take_away(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _name_of(source: Pipeline) -> str:
    ((kind, options),) = source.origin.items()
    paths = options.get("paths") or [options["path"]]
    return f"{kind} {', '.join(os.path.basename(path) for path in paths)}"


def _start(address: str, source: Pipeline, options: dict[str, Any], folder: str | None) -> Service:
    """The process: it inherits the reading end of its life, the writing end of its first word, and the job."""
    import subprocess

    inherited: list[int] = []
    try:
        life, ours = os.pipe()
        inherited.append(life)
        first_word, theirs = os.pipe()
        inherited.append(theirs)
        options.update(life=life, ready=theirs)
        if source.functions:
            inherited.append(_add_job(source, options))
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        commands = [options["crew"][:2]] if options["crew"] else []
        code = _CODE.format(path=sys.path, own=inherited, commands=commands, options=options)
        process = subprocess.Popen(
            [sys.executable, *flags, "-c", code],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    with os.fdopen(first_word) as word:
        answer = json.loads(word.read() or '{"error": "RuntimeError", "text": "the service ended at once"}')
    service = Service(address, process, ours, folder)
    if "error" in answer:
        service.close()
        raise _REFUSALS.get(answer["error"], RuntimeError)(answer["text"])
    return service


def _add_job(source: Pipeline, options: dict[str, Any]) -> int:
    """Packs the Python part, and measures one sample, so that clients know how large their slots must be."""
    from rustorch.data.jobs import bytes_of_sample, packed
    from rustorch.utils.data._utils.launch import command

    sample_bytes = bytes_of_sample(source)
    job = packed(source, options["workers"])
    options["crew"] = (*command(), job, sample_bytes)
    return job


class _Connected(Stream):
    """The stream of a client of a service."""

    def __init__(self, address: str, chosen: dict[str, Any], slots: int, on_error: str) -> None:
        super().__init__(on_error)
        self.address = address
        self._chosen = chosen
        self._slots = slots

    def _open(self, state: State | None) -> Any:
        return _data.Client.connect(self.address, self._chosen, self._slots, state)

    def __repr__(self) -> str:
        chosen = {name: value for name, value in self._chosen.items() if value is not None}
        return f"Stream(address={self.address!r}, {', '.join(f'{name}={value}' for name, value in chosen.items())})"


def connect(
    address: str,
    *,
    name: str | None = None,
    batch_size: int | None = None,
    shuffle: bool | None = None,
    seed: int | None = None,
    drop_last: bool | None = None,
    rank: int = 0,
    ranks: int = 1,
    slots: int = 8,
    on_error: str = "raise",
) -> Stream:
    """The batches of the service at an address: each ``iter()`` is an epoch, and the next one is prepared meanwhile.

    Args:
        address: ``unix:PATH``.
        name: accepted for scripts that name their clients; any number may have one name, and nobody shows it yet.
        batch_size, shuffle, seed, drop_last: instead of what the service was started with.
        rank, ranks: the part of each global batch that this client gets.
        slots: batches that the shared memory holds; more of them, kept, are copied.
        on_error: "raise" the error of a batch in its place, or "skip" the batch.

    Raises:
        OSError: nobody serves there.
        ValueError: the request is refused.
    """
    chosen: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "rank": rank, "ranks": ranks, "shuffle": shuffle}
    chosen["tail"] = None if drop_last is None else ("drop" if drop_last else "keep")
    stream = _Connected(address, chosen, slots, on_error)
    stream._opened()
    return stream

"""Worker processes: started, fed, watched, and started again when they die."""

import ctypes
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import rustorch
from rustorch import Tensor
from rustorch._C import _data

# A worker's program. It is not `python -m`, and it never runs the trainer's script.
_PROGRAM = "import sys; sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; from {module} import main; main({arguments})"
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long]
_TASK = struct.Struct("<QI")
_ANSWER = struct.Struct("<QBQQ")
_DEATHS_OF_ONE_BATCH = 3
_PATIENCE = 5.0


class _Process:
    """One worker: its process, its socket, and the tasks it has not answered."""

    def __init__(self, worker: int, job: int) -> None:
        self.worker = worker
        self.tasks: OrderedDict[int, bytes] = OrderedDict()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        arguments = f"{worker}, {theirs.fileno()}, {job}"
        code = _PROGRAM.format(path=sys.path, argv=sys.argv, module=__name__, arguments=arguments)
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        # Ctrl-C is the trainer's: a worker is born with it blocked.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process = subprocess.Popen(
                [sys.executable, *flags, "-c", code], pass_fds=(theirs.fileno(), job), stdin=subprocess.DEVNULL
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()

    def give(self, number: int, payload: bytes) -> None:
        self.tasks[number] = payload
        # A death is seen, and the task given again, where answers are read.
        with suppress(OSError):
            self.socket.sendall(_TASK.pack(number, len(payload)) + payload)

    def end(self, patience: float = _PATIENCE) -> None:
        self.socket.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class WorkerProcesses:
    """N workers over one job. Task number b belongs to worker b % N; answers are taken by number."""

    def __init__(self, count: int) -> None:
        self._owner = os.getpid()
        self._job = os.memfd_create("rustorch-job", os.MFD_CLOEXEC)
        self._answers: dict[int, tuple[int, bytes, Sequence[Tensor]]] = {}
        self._deaths: dict[int, int] = {}
        self._closed = False
        self._pushed = self._taken = 0
        self._processes: list[_Process] = []
        for worker in range(count):
            self._processes.append(_Process(worker, self._job))

    @property
    def job(self) -> int:
        """The memory file that the job is to be written to before the first task."""
        return self._job

    def pids(self) -> list[int]:
        return [process.process.pid for process in self._processes]

    def push_pickled(self, keys: bytes, seed: int, epoch: int, position: int) -> int:
        return self._push(len(self._processes), (keys, seed, epoch, position))

    def push_turn(self, place: int, turn: int, seed: int, epoch: int) -> int:
        return self._push(place, (None, seed, epoch, turn))

    def _push(self, place: int, task: tuple[Any, ...]) -> int:
        number = self._pushed
        self._pushed += 1
        place = number % len(self._processes) if place == len(self._processes) else place
        self._processes[place].give(number, pickle.dumps(task))
        return number

    def next(self, timeout: float | None = None) -> tuple[int, int, bytes, Sequence[Tensor]] | None:
        taken = self.take(self._taken, timeout)
        if taken is None:
            return None
        self._taken += 1
        return taken[0], *taken[1]

    def take_copied(self) -> bool:
        return False

    def take(self, number: int | None, timeout: float | None) -> tuple[int, tuple[int, bytes, Sequence[Tensor]]] | None:
        """The answer of this number (None: whichever is there first); None when there is none in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            ready = next(iter(self._answers), None) if number is None else number
            if ready in self._answers:
                return ready, self._answers.pop(ready)
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._read(left)

    def _read(self, timeout: float | None) -> None:
        sockets = {process.socket: process for process in self._processes}
        readable, _, _ = select.select(list(sockets), [], [], timeout)
        for ready in readable:
            process = sockets[ready]
            try:
                frame, descriptors, *_ = socket.recv_fds(ready, _ANSWER.size, 1)
            except OSError:
                frame, descriptors = b"", []
            if len(frame) == _ANSWER.size:
                self._answered(process, frame, descriptors)
            else:
                self._died(process)

    def _answered(self, process: _Process, frame: bytes, descriptors: list[int]) -> None:
        number, kind, start, length = _ANSWER.unpack(frame)
        process.tasks.pop(number, None)
        self._deaths.pop(number, None)
        self._answers[number] = (kind, *_mapped(descriptors, start, length))

    def _died(self, process: _Process) -> None:
        """Another process takes the dead one's place and its tasks."""
        process.end()
        suspect = next(iter(process.tasks), None)
        if suspect is not None:
            deaths = self._deaths[suspect] = self._deaths.get(suspect, 0) + 1
            if deaths >= _DEATHS_OF_ONE_BATCH:
                raise RuntimeError(
                    f"DataLoader worker (pid(s) {process.process.pid}) exited unexpectedly: "
                    f"{deaths} workers died on the batch of {pickle.loads(process.tasks[suspect])} "
                    f"(exit code {process.process.returncode})"
                )
        successor = self._processes[process.worker] = _Process(process.worker, self._job)
        for number, payload in process.tasks.items():
            successor.give(number, payload)

    def close(self) -> None:
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        for process in self._processes:
            process.socket.close()
        for process in self._processes:
            process.end()
        os.close(self._job)
        self._answers.clear()


class _Mapping:
    """A shared mapping that keeps no descriptor, as Python's own does."""

    def __init__(self, descriptor: int, length: int) -> None:
        self.length = length
        writable, shared = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED
        self.address = _LIBC.mmap(None, length, writable, shared, descriptor, 0)
        if self.address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __del__(self) -> None:
        _LIBC.munmap(ctypes.c_void_p(self.address), ctypes.c_size_t(self.length))


def _whole(descriptor: int) -> Any:
    """The bytes of a memory file, as a buffer."""
    length = os.fstat(descriptor).st_size
    mapping = _Mapping(descriptor, length)
    memory: Any = (ctypes.c_ubyte * length).from_address(mapping.address)
    memory.mapping = mapping
    return memory


def _mapped(descriptors: list[int], start: int, length: int) -> tuple[bytes, Sequence[Tensor]]:
    """The skeleton, and the tensors over the memory that the worker sent."""
    if not descriptors:
        return b"", ()
    memory = _whole(descriptors[0])
    os.close(descriptors[0])
    skeleton, table = pickle.loads(memoryview(memory)[start : start + length])
    whole = rustorch.frombuffer(memory, dtype=rustorch.uint8).untyped_storage()
    return skeleton, [_tensor(whole, *entry) for entry in table]


def _tensor(storage: Any, offset: int, dtype: Any, shape: tuple[int, ...]) -> Tensor:
    return rustorch.empty(0, dtype=dtype).set_(storage, offset // dtype.itemsize, shape)


def _publish(connection: socket.socket, number: int, answer: tuple[int, bytes, Sequence[Tensor]]) -> None:
    """Sends a memory file: the tensors at multiples of 64 bytes, then the skeleton and the table of the tensors."""
    kind, skeleton, tensors = answer
    table, end = [], 0
    for tensor in tensors:
        table.append((end, tensor.dtype, tuple(tensor.shape)))
        end += -(-tensor.numel() * tensor.element_size() // 64) * 64
    head = pickle.dumps((skeleton, table))
    file = os.memfd_create("rustorch-batch", os.MFD_CLOEXEC)
    os.ftruncate(file, end + len(head))
    with mmap.mmap(file, 0) as memory:
        memory[end:] = head
        if end:
            whole = rustorch.frombuffer(memory, dtype=rustorch.uint8).untyped_storage()
            for tensor, entry in zip(tensors, table, strict=True):
                _tensor(whole, *entry).copy_(tensor)
            del whole
    socket.send_fds(connection, [_ANSWER.pack(number, kind, end, len(head))], [file])
    os.close(file)


def main(worker: int, connection_number: int, job: int) -> None:
    """A worker's life: a task, an answer, until the trainer hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=connection_number)
    _end_with(connection)
    stream = connection.makefile("rb")
    maker: Any = None
    while head := stream.read(_TASK.size):
        number, length = _TASK.unpack(head)
        payload = stream.read(length)
        if maker is None:
            from rustorch.utils.data._utils.making import Maker
            from rustorch.utils.data._utils.packing import load_from

            maker = Maker(load_from(job), worker)
        keys, seed, epoch, position = pickle.loads(payload)
        _data.begin_batch(seed, epoch, position)
        kind, _, skeleton, tensors = maker.make(keys, epoch, position)
        _publish(connection, number, (kind, skeleton, tensors))


def _end_with(connection: socket.socket) -> None:
    """Ends this process when the trainer hangs up, in the middle of a batch too."""
    import threading

    def watch() -> None:
        hang_up = select.poll()
        hang_up.register(connection, select.POLLRDHUP)
        hang_up.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()

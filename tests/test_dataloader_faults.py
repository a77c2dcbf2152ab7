"""Kills, interrupts, limits: real processes, real signals. The scripts have no ``__main__`` guard on purpose."""

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import rustorch as torch
from rustorch.utils.data import DataLoader, IterableDataset, get_worker_info
from soak.processes import alive, children


def gone_soon(pids):
    for _ in range(100):
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def run(script, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, **options
    )


class Drawing:
    """Samples that draw from all three generators, and take their time."""

    def __len__(self):
        return 200

    def __getitem__(self, index):
        import numpy as np

        time.sleep(0.002)
        return index, random.random(), np.random.rand(), torch.rand(())


class DrawingStream(IterableDataset):
    def __iter__(self):
        worker = get_worker_info().id
        for index in range(100):
            time.sleep(0.002)
            yield worker, index, random.random(), torch.rand(())


def stream_of(dataset, killer=None):
    torch.manual_seed(11)
    loader = DataLoader(dataset, batch_size=8, num_workers=2)
    found = []
    for batch in loader:
        found.append(torch.stack([column.double() for column in batch]).tolist())
        if killer:
            killer()
    return found


@pytest.mark.parametrize("dataset", [Drawing(), DrawingStream()], ids=["map", "stream"])
def test_killed_workers_cost_time_and_nothing_else(dataset) -> None:
    undisturbed = stream_of(dataset)
    seed = random.Random(os.getpid()).randrange(10**6)
    print("seed", seed)
    choices = random.Random(seed)
    killed = []

    def killer():
        if choices.random() < 0.3:
            time.sleep(choices.random() * 0.03)
            # None where both were just killed and their successors have not started.
            victims = [pid for pid in children(os.getpid()) if alive(pid)]
            for victim in victims and [choices.choice(victims)]:
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    assert stream_of(dataset, killer) == undisturbed
    assert killed
    assert gone_soon(killed)


def test_three_deaths_on_one_batch_are_an_error() -> None:
    class Deadly(Drawing):
        def __getitem__(self, index):
            if index == 13:
                os._exit(7)
            return index

    batches = iter(DataLoader(Deadly(), batch_size=4, num_workers=2))
    assert [next(batches).tolist() for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    with pytest.raises(RuntimeError, match="batch 3: 3 DataLoader workers died of its sample at place 1") as error:
        next(batches)
    assert error.value.__notes__ == ["The samples of the batch: [12, 13, 14, 15]"]
    assert next(batches).tolist() == [16, 17, 18, 19]


def test_an_unguarded_script_with_lambdas_and_closures() -> None:
    script = """
        import collections, sys
        from random import uniform
        import numpy as np
        import rustorch as torch
        from rustorch.utils.data import DataLoader, Dataset
        print("script runs")
        Point = collections.namedtuple("Point", ["x", "y"])
        table = np.arange(10.0)
        class Broken(Exception):
            pass
        def make(scale):
            class Local(Dataset):
                def __len__(self):
                    return 4
                def __getitem__(self, index):
                    return Point(table[index] * scale, helper(index))
            return Local()
        def helper(index):
            return index + 1
        for batch in DataLoader(make(3.0), batch_size=2, num_workers=2):
            print(isinstance(batch, Point), batch.x.tolist(), batch.y.tolist())
        def fail(_):
            raise Broken("x")
        try:
            list(DataLoader([1], num_workers=1, collate_fn=fail))
        except Broken as error:
            print(str(error).splitlines()[0])
        print([b for b in DataLoader([1, 2], num_workers=1, batch_size=None, collate_fn=lambda x: -x)])
    """
    done = run(script)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "script runs",
        "True [0.0, 3.0] [1, 2]",
        "True [6.0, 9.0] [3, 4]",
        "Caught Broken in DataLoader worker process 0.",
        "[-1, -2]",
    ]


def test_ten_thousand_kept_batches_with_few_descriptors() -> None:
    script = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        import rustorch as torch
        from rustorch.utils.data import DataLoader
        kept = list(DataLoader(range(10000), num_workers=2, batch_size=1))
        assert [int(batch) for batch in kept] == list(range(10000))
        print(len(kept))
    """
    done = run(script)
    assert done.stdout == "10000\n", done.stderr


INTERRUPTED = """
    import time
    import rustorch as torch
    from rustorch.utils.data import DataLoader
    class Slow:
        def __len__(self):
            return 100
        def __getitem__(self, index):
            time.sleep(0.2 if index < 4 else 60)
            return index
    for batch in DataLoader(Slow(), num_workers=2):
        print(batch.tolist(), flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_the_trainer_ends_its_workers(how) -> None:
    trainer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(4):
        trainer.stdout.readline()
    workers = children(trainer.pid)
    assert len(workers) >= 2
    start = time.monotonic()
    if how == signal.SIGINT:
        os.killpg(trainer.pid, how)  # what a terminal does
    else:
        trainer.send_signal(how)
    errors = trainer.communicate(timeout=20)[1]
    assert time.monotonic() - start < 5
    assert gone_soon(workers)
    if how == signal.SIGINT:
        assert errors.count("KeyboardInterrupt") == 1


def test_nothing_is_left_behind() -> None:
    def state():
        return len(os.listdir("/proc/self/fd")), children(os.getpid())

    def named_memory():
        """Files of /dev/shm that this process or a worker has mapped: a kill would leave them there."""
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in (os.getpid(), *children(os.getpid()))]
        return [line for text in maps for line in text.splitlines() if "/dev/shm/" in line]

    # loaders of other tests, which errors still hold
    gc.collect()
    list(DataLoader(range(4), num_workers=2))
    before = state()
    list(DataLoader(range(4), num_workers=2))
    broken_off = iter(DataLoader(range(100), num_workers=2))
    next(broken_off)
    assert named_memory() == []
    del broken_off
    persistent = DataLoader(range(4), num_workers=2, persistent_workers=True)
    list(persistent)
    del persistent
    assert state() == before

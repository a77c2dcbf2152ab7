"""Where worker processes come from: forks of one fresh process that all epochs share."""

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import rustorch as torch
from rustorch.utils.data import DataLoader, Dataset, TensorDataset
from soak.processes import children, until


@pytest.fixture(autouse=True)
def no_loaders_of_other_tests():
    """Errors still hold some."""
    gc.collect()


def name_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def called(name):
    return [pid for pid in children(os.getpid()) if name_of(pid) == name]


def fork_servers():
    """The one that forks workers, and its double."""
    return until(lambda: len(found := called("rustorch-forker")) == 2 and found, "there are not two fork servers")


class Answers(Dataset):
    """Whatever a worker answers to a question, as an object."""

    def __init__(self, question, length=4):
        self.question, self.length = question, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.question()


def same(answer):
    return answer


def loader_of(question, workers=1):
    return DataLoader(Answers(question), None, num_workers=workers, collate_fn=same)


def test_epochs_share_a_process_that_forks_their_workers():
    loader = DataLoader(Answers(os.getpid), None, num_workers=2)
    first, second = set(loader), set(loader)
    assert not first & second
    servers = fork_servers()
    assert not first & {*servers} and not second & {*servers}
    other = DataLoader(Answers(os.getppid), None, num_workers=1)
    assert set(other) == {os.getpid()}, "workers are the trainer's own children"
    assert fork_servers() == servers
    del loader, other
    assert called("rustorch-forker") == []


def test_the_second_epoch_starts_no_interpreter():
    loader = DataLoader(range(4), None, num_workers=2)
    list(loader)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        assert list(loader) == [0, 1, 2, 3]
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1, times


def test_workers_have_the_environment_and_the_folder_of_their_epoch(monkeypatch, tmp_path):
    loader = loader_of(lambda: (os.environ.get("RUSTORCH_TEST_WORD"), os.getcwd()))
    before = os.getcwd()
    assert set(loader) == {(None, before)}
    monkeypatch.setenv("RUSTORCH_TEST_WORD", "changed")
    assert set(loader) == {("changed", before)}
    monkeypatch.chdir(tmp_path)
    assert set(loader) == {("changed", str(tmp_path))}
    assert len(fork_servers()) == 2, "those of the first epochs are gone"


def test_a_worker_is_a_process_like_any_other():
    def question():
        main, outcome = threading.main_thread(), []
        received = []
        signal.signal(signal.SIGUSR1, lambda *_: received.append(threading.current_thread() is main))

        def tell_main():
            signal.pthread_kill(main.ident, signal.SIGUSR1)
            outcome.append(threading.get_native_id() != os.getpid())

        thread = threading.Thread(target=tell_main)
        thread.start()
        thread.join()
        child = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout
        own_group = os.getpgid(0) == os.getpid()
        return outcome, received, child, own_group, name_of(os.getpid())

    assert next(iter(loader_of(question))) == ([True], [True], "42\n", True, "rustorch-worker")


def test_workers_use_what_users_say_of_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")

    def question():
        import numpy

        square = numpy.ones((300, 300))
        return float((square @ square).sum()), os.environ["OPENBLAS_NUM_THREADS"]

    assert list(loader_of(question, 2)) == [(300.0**3, "2")] * 4


def test_a_process_that_has_started_threads_is_not_forked(tmp_path):
    """Some tools start a thread in every interpreter."""
    (tmp_path / "sitecustomize.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    script = """
        import os, threading
        from rustorch.utils.data import DataLoader
        class Threads:
            def __len__(self):
                return 8
            def __getitem__(self, index):
                return (len(os.listdir("/proc/self/task")), os.getppid() == parent)
        parent = os.getpid()
        for _ in range(2):
            print(set(DataLoader(Threads(), None, num_workers=2, collate_fn=tuple)))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout, done.stderr) == ("{(2, True)}\n" * 2, "")


def test_killed_fork_servers_cost_nothing():
    loader = iter(DataLoader(Answers(os.getpid, 400), None, num_workers=2, persistent_workers=True))
    next(loader)
    workers = set(until(lambda: len(found := called("rustorch-worker")) == 2 and found, "there is one worker only"))
    first, second = fork_servers()
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in fork_servers(), "there is no other one")
    assert second in fork_servers()
    assert {next(loader) for _ in range(149)} <= workers, "the workers live on"
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert len(list(loader)) == 250


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("data", [TensorDataset(torch.arange(4)), range(4)], ids=["tensors", "python"])
def test_a_copied_loader_has_threads_and_processes_of_its_own(data, workers, copied):
    def flat(batches):
        return [int(batch[0]) for batch in batches]

    loader = DataLoader(data, num_workers=workers)
    assert flat(copied(loader)) == [0, 1, 2, 3]
    assert flat(loader) == [0, 1, 2, 3]
    other = copied(loader)
    assert flat(loader) == flat(other) == [0, 1, 2, 3]

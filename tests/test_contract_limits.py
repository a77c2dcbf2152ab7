"""What only shows at scale: leaks, deep graphs, long runs, Ctrl-C, fork, threads."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

import rustorch as torch

OURS = torch.__name__ != "torch"
MEBIBYTE = 1 << 20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(work, warm=1):
    """Bytes by which the process grows while `work` runs, after it has run before."""
    for _ in range(warm):
        work()
    gc.collect()
    before = resident()
    work()
    gc.collect()
    return resident() - before


def test_a_million_tensors_leak_nothing():
    def work():
        t = torch.ones(4)
        for _ in range(500_000):
            t + t

    assert growth(work) < 2 * MEBIBYTE


def test_tensors_with_attributes_and_cycles_leak_nothing():
    def work():
        for _ in range(20_000):
            t = torch.ones(4)
            t.note = [t]
        gc.collect()

    assert growth(work) < 4 * MEBIBYTE


def test_views_and_graphs_leak_nothing():
    def work():
        x = torch.ones(8, requires_grad=True)
        for _ in range(20_000):
            y = x * 2
            y[1:].mul_(3)
            y.exp().sum().backward()
            x.grad = None

    assert growth(work) < 2 * MEBIBYTE


def test_graphs_that_never_run_leak_nothing():
    def work():
        x = torch.ones(1000, requires_grad=True)
        for _ in range(5_000):
            (x.exp() * x).tanh()

    assert growth(work) < 2 * MEBIBYTE


def test_a_saved_output_does_not_keep_its_node():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    reference = weakref.ref(y)
    del y
    assert reference() is None


def test_hooks_with_cycles_are_collected():
    x = torch.ones(3, requires_grad=True)
    x.register_hook(lambda g, x=x: None)
    reference = weakref.ref(x)
    del x
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("steps", [pytest.param(10_000, id="10_000 training steps")])
def test_long_training_leaves_memory_flat(steps):
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.ones(2, 4)

    def work(count):
        for _ in range(count):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()

    work(500)
    gc.collect()
    before = resident()
    work(steps)
    gc.collect()
    assert resident() - before < 2 * MEBIBYTE


def test_a_graph_a_million_nodes_deep_runs_backward():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1


def test_a_graph_a_million_nodes_deep_is_dropped():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y * 1.0
    del y
    assert x.grad is None


def test_a_deep_graph_of_views_is_dropped():
    y = torch.ones(1, requires_grad=True)
    for _ in range(100_000):
        y = y.view(1)
    del y


def test_ctrl_c_stops_backward():
    if not OURS:
        pytest.skip("a claim of our own")
    program = (
        "import os, signal, threading, time, rustorch as torch\n"
        "x = torch.ones(400, 400, requires_grad=True); y = x\n"
        "for _ in range(400): y = (y @ x).tanh()\n"
        "def press(): times.append(time.process_time()); os.kill(os.getpid(), signal.SIGINT)\n"
        "times = []; threading.Timer(0.3, press).start()\n"
        "try: y.sum().backward(); print('finished')\n"
        "except KeyboardInterrupt: print('stopped', time.process_time() - times[0] < 0.5)\n"
        "print((torch.ones(2) + 1).tolist())\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert output.stdout.splitlines() == ["stopped True", "[2.0, 2.0]"], output.stderr


LONG_CALLS = {
    "product": "a = torch.ones(6000, 6000)\ndef work(): a @ a",
    "pointwise": "a = torch.full((60_000_000,), 0.5)\ndef work(): torch.erfinv(a)",
    "convolution": "a, w = torch.ones(64, 64, 128, 128), torch.ones(128, 64, 3, 3)\ndef work(): torch.conv2d(a, w)",
    "sort": "a = torch.rand(20_000, 1000)\ndef work(): a.sort()",
}


@pytest.mark.parametrize("call", LONG_CALLS)
def test_ctrl_c_stops_a_long_native_call(call):
    if not OURS:
        pytest.skip("a claim of our own")
    program = (
        "import os, signal, threading, time, rustorch as torch\n"
        "torch.set_num_threads(1)\n"
        f"{LONG_CALLS[call]}\n"
        "def press(): times.append(time.process_time()); os.kill(os.getpid(), signal.SIGINT)\n"
        "times = []; threading.Timer(0.2, press).start()\n"
        "try: work(); print('finished')\n"
        "except KeyboardInterrupt: print('stopped', time.process_time() - times[0] < 0.5)\n"
        "print((torch.ones(100_000) + 1).sum().item())\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert output.stdout.splitlines() == ["stopped True", "200000.0"], output.stderr


def in_child(work):
    """Runs `work` in a forked child; its exit status, or None if it hangs."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_after_use_works_in_the_child():
    if not OURS:
        pytest.skip("a claim of our own: PyTorch's child hangs once the parent's pool was used")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        a = torch.ones(600, 600, requires_grad=True)
        (a @ a).sum().backward()

        def work():
            b = torch.ones(600, 600, requires_grad=True)
            (b @ b).exp().sum().backward()
            assert b.grad.shape == (600, 600)
            assert (a.detach() + 1).sum().item() == 720000

        assert in_child(work) == 0
        assert (torch.ones(600, 600) @ torch.ones(600, 600))[0, 0].item() == 600
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_while_another_thread_allocates():
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            torch.ones(1000) + 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: torch.ones(1000).sum().item()) == 0
    finally:
        stop.set()
        thread.join()


def test_threads_share_tensors():
    t = torch.ones(10_000)
    results = []

    def work():
        results.append(sum((t * 2).sum().item() for _ in range(50)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1_000_000.0] * 4


def test_backward_from_several_threads():
    x = torch.ones(100, requires_grad=True)

    def work():
        for _ in range(20):
            (x * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [160.0] * 100


def test_results_do_not_depend_on_the_number_of_threads():
    torch.manual_seed(0)
    a, b = torch.randn(300, 400), torch.randn(400, 200)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert torch.get_num_threads() == threads
            results.append((a.sum().item(), a.exp().sum(0).tolist(), (a @ b).tolist()))
    finally:
        torch.set_num_threads(before)
    if OURS:
        assert results[0] == results[1]


def test_import_is_light():
    if not OURS:
        pytest.skip("a claim of our own")
    program = (
        "import sys, rustorch\n"
        "pages = int(open('/proc/self/statm').read().split()[1])\n"
        "print(pages * 4096 / 1e6, 'numpy' in sys.modules)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    megabytes, numpy_loaded = output.stdout.split()
    assert float(megabytes) <= 45 and numpy_loaded == "False"


def test_the_allocator_counts():
    if not OURS:
        pytest.skip("a claim of our own")
    statistics = torch.memory_stats()
    before = statistics["allocated_bytes.all.current"]
    t = torch.empty(1000)
    assert torch.memory_stats()["allocated_bytes.all.current"] - before >= 4000
    del t
    assert torch.memory_stats()["allocated_bytes.all.current"] == before

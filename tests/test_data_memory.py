"""Memory stays flat over epochs: the proportional set size of a script, its workers and its service together."""

import pathlib
import subprocess
import sys
import textwrap

import numpy
import pytest

if "Pss_Shmem:" not in pathlib.Path("/proc/self/smaps_rollup").read_text():
    pytest.skip("the kernel does not tell proportional set sizes", allow_module_level=True)

pytestmark = pytest.mark.timeout(60)
EPOCHS = 6
# The first epoch warms up: workers start, pages are touched for the first time. The others are held against the second.
TOLERANCE = 0.02
# After each epoch the script says so, and waits until its memory has been read.
FRAME = """
import sys
import numpy
import rustorch as torch
from rustorch import data
from rustorch.utils.data import DataLoader, Dataset, TensorDataset

def told():
    print("epoch", flush=True)
    sys.stdin.readline()

{setting}
for epoch in range({epochs}):
    seen = sum(len(batch[0]) for batch in loader)
    assert seen == {samples}, seen
    told()
"""
SAMPLES = 20_000
SETTINGS = {
    "pipeline": "loader = data.npy('x.npy', 'y.npy').shuffle(seed=1).batch(64)",
    "tensor_data_set": """
        x, y = (torch.from_numpy(numpy.load(name)) for name in ("x.npy", "y.npy"))
        loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, num_workers=2)
    """,
    "python_data_set": """
        class Rows(Dataset):
            def __init__(self):
                self.x, self.y = numpy.load("x.npy"), numpy.load("y.npy")
            def __len__(self):
                return len(self.x)
            def __getitem__(self, index):
                return self.x[index], self.y[index]
        loader = DataLoader(Rows(), batch_size=64, shuffle=True, num_workers=2)
    """,
    "persistent_workers": """
        class Rows(Dataset):
            def __len__(self):
                return 20_000
            def __getitem__(self, index):
                return {"x": [float(index), str(index)], "y": numpy.full(100, index)}["y"], index
        loader = DataLoader(Rows(), batch_size=64, num_workers=2, persistent_workers=True)
    """,
    "service": """
        service = data.serve(data.npy("x.npy", "y.npy"), batch_size=64, shuffle=True)
        loader = data.connect(service.address)
    """,
    "service_with_workers": """
        service = data.serve(data.npy("x.npy", "y.npy").map(lambda sample: sample), batch_size=64, shuffle=True)
        loader = data.connect(service.address)
    """,
}


def tree(process):
    """The ids of a process and of all that it has started."""
    found = [process]
    for one in found:
        for task in pathlib.Path(f"/proc/{one}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def megabytes(process):
    """Of the whole tree: memory that several of it share counts once.

    Without the pages of files: what of a library counts depends on who else on the machine uses it.
    """
    total = 0
    for one in tree(process):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1])
    return total / 1024


def epochs_of(setting, folder, samples):
    script = FRAME.format(setting=textwrap.dedent(setting), epochs=EPOCHS, samples=samples)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    )
    found = []
    with process:
        for _ in range(EPOCHS):
            assert process.stdout.readline() == "epoch\n"
            found.append(megabytes(process.pid))
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    return found


def assert_flat(measured):
    _, second, *later = measured
    assert all(abs(size - second) <= TOLERANCE * second for size in later), [f"{size:.1f} MB" for size in measured]


@pytest.fixture
def arrays(tmp_path):
    random = numpy.random.default_rng(0)
    numpy.save(tmp_path / "x.npy", random.random((SAMPLES, 100), numpy.float32))
    numpy.save(tmp_path / "y.npy", numpy.arange(SAMPLES))
    return tmp_path


@pytest.mark.parametrize("setting", SETTINGS)
def test_memory_is_flat_over_epochs(arrays, setting):
    assert_flat(epochs_of(SETTINGS[setting], arrays, SAMPLES))


def test_memory_is_flat_with_many_python_objects(tmp_path):
    """A forked worker would write a count of references into every page of these; ours have their own."""
    assert_flat(
        epochs_of(
            """
            class Listed(Dataset):
                def __init__(self):
                    self.samples = [(f"train/{n % 100}/{n:08}.jpg", n % 100) for n in range(100_000)]
                def __len__(self):
                    return len(self.samples)
                def __getitem__(self, index):
                    path, label = self.samples[index]
                    return len(path), label
            loader = DataLoader(Listed(), batch_size=1000, num_workers=2)
            """,
            tmp_path,
            100_000,
        )
    )

"""What loading costs: samples a second, processor time, the wait for a first batch; beside PyTorch where that is there.

    python benchmarks/loading.py               # rustorch alone, or beside torch if it can be imported
    python benchmarks/loading.py --filter Python

60,000 images of 784 bytes become shuffled batches of 128 in float32, with two workers. Each figure comes from a process
of its own; the script that asks for the batches does nothing else. The rows:

    files           two .npy files; a service reads them, PyTorch gathers a batch at once in ``__getitems__``
    tensors         a TensorDataset
    Python          a data set whose ``__getitem__`` makes a tensor of a row
    slow Python     the same with a millisecond of Python a sample
"""

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

SAMPLES, BYTES, BATCH, WORKERS = 60_000, 784, 128, 2
ROWS = ("files", "tensors", "Python", "slow Python")
SLOW_SAMPLES = 4096
# Python's loop takes about a millisecond for it.
LOOP = 50_000


def arrays(folder, samples):
    """The two files, made when they are first asked for."""
    paths = [os.path.join(folder, name) for name in ("images.npy", "labels.npy")]
    if not os.path.exists(paths[0]):
        random = np.random.default_rng(0)
        np.save(paths[0], random.integers(0, 256, (SAMPLES, BYTES), dtype=np.uint8))
        np.save(paths[1], random.integers(0, 10, SAMPLES))
    return paths, [np.load(path)[:samples] for path in paths]


def dataset(torch, row, images, labels):
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            if row == "slow Python":
                for _ in range(LOOP):
                    pass
            return torch.from_numpy(images[index]).float().div_(255), int(labels[index])

    class Batches(Rows):
        def __getitems__(self, indices):
            chosen = torch.tensor(indices)
            return torch.from_numpy(images)[chosen].float().div_(255), torch.from_numpy(labels)[chosen]

    if row == "tensors":
        return torch.utils.data.TensorDataset(torch.from_numpy(images).float().div_(255), torch.from_numpy(labels))
    return Batches() if row == "files" else Rows()


def loader(torch, row, paths, images, labels):
    """An iterable of epochs' batches, and how it is ended."""
    if row == "files" and torch.__name__ == "rustorch":
        source = torch.data.npy(*paths).scale(1 / 255)
        service = torch.data.serve(source, batch_size=BATCH, shuffle=True, workers=WORKERS)
        stream = torch.data.connect(service.address)
        return stream, lambda: (stream.close(), service.close())
    options = {"collate_fn": lambda batch: batch} if row == "files" else {}
    chosen = dataset(torch, row, images, labels)
    made = torch.utils.data.DataLoader(
        chosen, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True, **options
    )
    return made, lambda: None


def measured(name, row, folder, epochs):
    """The figures of one row of one library, in this process."""
    torch = importlib.import_module(name)
    importlib.import_module(f"{name}.utils.data")
    paths, (images, labels) = arrays(folder, SLOW_SAMPLES if row == "slow Python" else SAMPLES)
    begin, spent = time.perf_counter(), sum(os.times()[:4])
    batches, end = loader(torch, row, paths, images, labels)
    firsts, rates = [], []
    for _ in range(epochs + 1):
        samples = 0
        for image, _label in batches:
            if not samples:
                firsts.append(time.perf_counter() - begin)
            samples += len(image)
        rates.append(samples / (time.perf_counter() - begin))
        begin = time.perf_counter()
    end()
    del batches, end
    # Workers count once they have ended.
    cpu = (sum(os.times()[:4]) - spent) / (samples * (epochs + 1)) * 1e6
    return {"rate": max(rates[1:]), "cpu": cpu, "first": firsts[0] * 1e3, "next": min(firsts[1:]) * 1e3}


def run(name, row, folder, epochs):
    command = [sys.executable, __file__, "--one", name, row, folder, "--epochs", str(epochs)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filter", default="", help="rows whose name contains this")
    parser.add_argument("--epochs", type=int, default=4, help="epochs after the first")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return print(json.dumps(measured(*arguments.one, arguments.epochs)))

    names = ["rustorch"] + (["torch"] if importlib.util.find_spec("torch") else [])
    columns = ("samples/s", "CPU s/million", "first batch, ms", "next epoch's, ms")
    print(f"{'':14}{'':10}" + "".join(f"{column:>18}" for column in columns))
    with tempfile.TemporaryDirectory() as folder:
        arrays(folder, 1)
        for row in (row for row in ROWS if arguments.filter in row):
            found = {name: run(name, row, folder, arguments.epochs) for name in names}
            for name, figures in found.items():
                cells = [f"{figures['rate']:,.0f}", *(f"{figures[key]:,.1f}" for key in ("cpu", "first", "next"))]
                print(f"{row:14}{name:10}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
            if len(found) == 2:
                print(f"{'':14}{found['rustorch']['rate'] / found['torch']['rate']:8.1f}x")
    return None


if __name__ == "__main__":
    main()

"""A trainer that is killed and stopped: ``trainer.py loader|service FOLDER LIMIT ADDRESS COST``.

It writes down each batch, then where its stream stands, and goes on from there when it is started again. What it wrote
of a batch after the last such state is cut off: that batch comes again.
"""

import hashlib
import itertools
import json
import os
import pickle
import random
import signal
import sys
import threading
import time

import numpy as np

# as a script, this file finds only its own folder
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import rustorch as torch
from rustorch import data
from rustorch.utils.data import DataLoader
from soak.processes import delay_of

SAMPLES = 480
BATCH = 16
SEED = 5
# A thread that sleeps so long, and wakes so much later, proves that this process did not run.
NAP = 0.001
LATE = 0.004


def draw(sample):
    """What all three generators give."""
    return random.random(), np.random.rand(3), torch.rand(2)


def maker():
    """Who makes the sample: its number, and what the machine owes it (see ``delay_of``)."""
    born, delay = delay_of(os.getpid())
    return os.getpid(), born, delay


class Drawing:
    """Samples that draw from all three generators, and take their time."""

    def __init__(self, cost):
        self.cost = cost

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        time.sleep(self.cost)
        return index, draw(index), maker()


class Control:
    """When this process did not run, although it had nothing to do but to wake up."""

    def __init__(self):
        self.seen = time.monotonic()
        self.absences = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            begin = time.monotonic()
            time.sleep(NAP)
            end = time.monotonic()
            if end - begin - NAP > LATE:
                self.absences.append((begin + NAP, end))
            self.seen = end

    def take(self, until):
        while self.seen <= until:
            time.sleep(NAP)
        taken, self.absences = self.absences, []
        return taken


def loader(cost, state, _):
    generator = torch.Generator()
    generator.manual_seed(SEED)
    options = {"batch_size": BATCH, "shuffle": True, "generator": generator, "num_workers": 2}
    stream = DataLoader(Drawing(cost), **options, persistent_workers=True)
    if state is not None:
        stream.load_state_dict(state)
    return stream


def service(_, state, address):
    while True:
        try:
            stream = data.connect(address, batch_size=BATCH, shuffle=True, seed=SEED)
            if state is not None:
                stream.load_state_dict(state)
            return stream
        except OSError:  # nobody is there yet
            time.sleep(0.002)


class Records:
    """The files: a line for each batch, and the state after it."""

    def __init__(self, folder):
        self.state_path = os.path.join(folder, "state")
        self.state = None
        length = 0
        if os.path.exists(self.state_path):
            with open(self.state_path, "rb") as file:
                length, self.state = pickle.load(file)
        self.lines = open(os.path.join(folder, "lines"), "ab")  # noqa: SIM115 (it stays open)
        self.lines.truncate(length)
        self.lines.seek(length)

    def write(self, line, state):
        self.lines.write(json.dumps(line).encode() + b"\n")
        self.lines.flush()
        with open(self.state_path + ".new", "wb") as file:
            pickle.dump((self.lines.tell(), state), file)
        os.replace(self.state_path + ".new", self.state_path)


def leaves(batch):
    return [leaf for part in batch for leaf in leaves(part)] if isinstance(batch, list | tuple) else [batch]


def batches(stream):
    for _ in itertools.count():
        yield from stream


def belongings():
    """The descriptors and the children of this process."""
    children = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            children += file.read().split()
    return len(os.listdir("/proc/self/fd")), children


def main(kind, folder, limit, address, cost):
    torch.set_num_threads(1)
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    control, records = Control(), Records(folder)
    before = belongings()
    stream = {"loader": loader, "service": service}[kind](float(cost), records.state, address)
    supply = batches(stream)
    for count in itertools.count():
        begin = time.monotonic()
        batch = next(supply)
        end = time.monotonic()
        # who made it differs from run to run
        *tensors, pids, births, delays = leaves(batch)
        digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
        line = {"samples": tensors[0].tolist(), "digest": digest, "wait": (begin, end), "first": count == 0}
        line["maker"] = [column[-1].item() for column in (pids, births, delays)]
        line["absences"] = control.take(end) if end - begin > 0.02 else []
        records.write(line, stream.state_dict())
        if ends.is_set() or count + 1 == int(limit):
            break
    del supply, batch, tensors, pids, births, delays
    if kind == "service":
        stream.close()
    del stream
    sys.stdout.write(json.dumps([before, belongings()]))


if __name__ == "__main__":
    main(*sys.argv[1:])

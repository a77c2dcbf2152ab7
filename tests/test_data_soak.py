"""Kills and stops of every kind of process at random moments: workers and what forks them, the service, trainers.

Every sample comes once in every epoch, with the bytes of the undisturbed run, and soon; nothing is left behind.
``RUSTORCH_SOAK_FAULTS`` and ``RUSTORCH_SOAK_SEED`` make it longer and repeat its choices (``make soak``).
"""

import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import numpy

from rustorch import data
from soak import trainer
from soak.processes import MARK, Stops, children, descendants, running_workers, until
from soak.stalls import Fault, stalls, summary

FAULTS = int(os.environ.get("RUSTORCH_SOAK_FAULTS", 20))
SEED = int(os.environ.get("RUSTORCH_SOAK_SEED") or time.time_ns() % 1_000_000)
# Besides making the batch again, a fault may cost a trainer so many seconds.
STALL = 0.3
# What making a sample costs.
COST = 0.0005
VICTIMS = {"child of a loader": 8, "child of a service": 6, "service": 3, "trainer": 4}


class Trainer:
    """One trainer after another, each going on where the last one was."""

    def __init__(self, kind, folder, address, limit=0, cost=COST):
        self.kind, self.folder, self.address = kind, folder, address
        self.folder.mkdir()
        # When something was done to what serves it, and what; and when that was stopped or away.
        self.faults, self.excused = [], []
        self.command = [sys.executable, trainer.__file__, kind, folder, limit, address, cost]
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(word) for word in self.command], stdout=subprocess.PIPE, text=True)

    def kill(self):
        mine = children(self.process.pid)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        until(lambda: not set(mine) & set(descendants_now()), "workers outlive their trainer")

    def finish(self):
        """It takes its stream away; what it had then, it had before."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self, patience=60.0):
        before, after = json.loads(self.process.communicate(timeout=patience)[0])
        assert after == before, "descriptors or children are left"
        assert self.process.returncode == 0

    def story(self, stall):
        """What befell it around a wait: when, in seconds after the wait began."""
        begin, end = stall.wait
        near = [(fault.time, fault.what) for fault in self.faults if begin - 1 < fault.time < end]
        away = [span for span in self.excused if span[0] < end and span[1] > begin - 1]
        near += [(start, f"nobody there for {over - start:.3f} s") for start, over in away]
        told = "; ".join(f"{time - begin:+.3f} {what}" for time, what in sorted(near))
        return f"of {end - begin:.3f} s, {stall.with_delays:.3f} s with what the processors owed; {told}"

    def lines(self):
        path = self.folder / "lines"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def descendants_now():
    return descendants(os.environ[MARK])


class Soak:
    def __init__(self, folder):
        self.random = random.Random(SEED)
        self.folder = folder
        self.address = f"unix:{folder}/run/data.sock"
        self.counts = Counter()
        self.stops = Stops()
        self.service = self.serve(COST)
        self.trainers = [Trainer(kind, folder / kind, self.address) for kind in ("loader", "service")]

    def serve(self, cost):
        def draw(sample, cost=cost, draw=trainer.draw):
            time.sleep(cost)
            return sample[0], draw(sample), trainer.maker()

        pipeline = data.npy(self.folder / "numbers.npy").map(draw)
        return data.serve(pipeline, batch_size=trainer.BATCH, workers=2, address=self.address)

    def fault(self, left):
        """How many numbers it draws does not depend on what happens, so that a seed repeats the choice."""
        draw = self.random
        pause = draw.random() * (0.03 if draw.random() < 0.25 else 0.6)
        is_kill = draw.randrange(left["kill"] + left["stop"]) < left["kill"]
        (victim,) = draw.choices([*VICTIMS], [*VICTIMS.values()])
        which, seconds = draw.randrange(1000), draw.uniform(0.02, 0.3)
        time.sleep(pause)
        for one in self.trainers:
            assert one.process.poll() is None, f"the trainer of the {one.kind} gave up"
        left["kill" if is_kill else "stop"] -= 1
        self.counts["killed" if is_kill else "stopped", victim] += 1
        if victim == "trainer":
            self.fault_of_trainer(self.trainers[which % 2], is_kill, seconds)
        elif victim == "service":
            self.fault_of_service(is_kill, seconds)
        else:
            self.fault_of_child(victim, which, is_kill, seconds)

    def fault_of_trainer(self, one, is_kill, seconds):
        if is_kill:
            one.kill()
            one.start()
        else:
            self.stops.stop(one.process.pid, seconds, [])

    def fault_of_service(self, is_kill, seconds):
        _, client = self.trainers
        makers = running_workers(children(self.service.pid))
        what = "service killed" if is_kill else f"service stopped for {seconds:.3f} s"
        client.faults.append(Fault(time.monotonic(), what, makers))
        if not is_kill:
            self.stops.stop(self.service.pid, seconds, client.excused)
            return
        begin, mine = time.monotonic(), children(self.service.pid)
        os.kill(self.service.pid, signal.SIGKILL)
        self.service.close()
        until(lambda: not set(mine) & set(descendants_now()), "workers outlive their service")
        self.service = self.serve(COST)
        client.excused.append((begin, time.monotonic()))

    def fault_of_child(self, victim, which, is_kill, seconds):
        one = self.trainers[victim == "child of a service"]

        def candidates():
            return children(one.process.pid if one.kind == "loader" else self.service.pid)

        found = until(candidates, f"there is no {victim}")
        chosen, makers = found[which % len(found)], running_workers(found)
        if is_kill:
            with suppress(ProcessLookupError):
                os.kill(chosen, signal.SIGKILL)
        else:
            self.stops.stop(chosen, seconds, [])
        what = "killed" if is_kill else f"stopped for {seconds:.3f} s"
        one.faults.append(Fault(time.monotonic(), f"{chosen} {what}", makers))

    def run(self):
        left = {"kill": FAULTS // 2, "stop": FAULTS - FAULTS // 2}
        while sum(left.values()):
            self.fault(left)
        self.stops.over()
        # undisturbed, they must go on
        for one in self.trainers:
            enough = len(one.lines()) + 20
            until(lambda one=one, enough=enough: len(one.lines()) >= enough, "no batch comes after the last fault", 30)
            one.finish()

    def check(self):
        """Every sample once an epoch, and the bytes of a run that nothing disturbs."""
        self.service.close()
        self.service = self.serve(0)
        for one in self.trainers:
            lines = one.lines()
            size = trainer.SAMPLES // trainer.BATCH
            for begin in range(0, len(lines) - size + 1, size):
                samples = sorted(sample for line in lines[begin : begin + size] for sample in line["samples"])
                assert samples == list(range(trainer.SAMPLES)), f"epoch {begin // size} of the {one.kind}"
            undisturbed = Trainer(one.kind, self.folder / f"{one.kind}-undisturbed", self.address, len(lines), 0)
            undisturbed.end(60 + 0.1 * len(lines))
            for number, (line, expected) in enumerate(zip(lines, undisturbed.lines(), strict=True)):
                assert line["digest"] == expected["digest"], f"batch {number} of the {one.kind} has other bytes"
        self.service.close()

    def end(self):
        """Whatever happened, nothing stays."""
        self.stops.over()
        self.service.close()
        for one in self.trainers:
            one.process.kill()
            one.process.wait()
        for pid in descendants_now():
            os.kill(pid, signal.SIGKILL)

    def report(self):
        """Prints the figures; the worst stall."""
        counts = ", ".join(f"{what} {count} x {victim}" for (what, victim), count in sorted(self.counts.items()))
        print(f"\nsoak: seed {SEED}: {counts}")
        worst = 0
        for one in self.trainers:
            lines = one.lines()
            waits = [line["wait"][1] - line["wait"][0] for line in lines]
            starts = [wait for wait, line in zip(waits, lines, strict=True) if line["first"]]
            found = stalls(lines, one.faults, one.excused)
            long = max(found, key=lambda stall: stall.seconds)
            print(f"soak: {one.kind}: {len(lines)} batches, each once and with equal bytes")
            print(f"soak: {one.kind}: first batch of a trainer: {summary(starts)} of {len(starts)}")
            print(f"soak: {one.kind}: whole wait for a batch: {summary(waits)}")
            print(f"soak: {one.kind}: stall, with what the processors owed: {summary(s.with_delays for s in found)}")
            print(f"soak: {one.kind}: stall: {summary(s.seconds for s in found)}")
            print(f"soak: {one.kind}: the worst: {one.story(long)}")
            worst = max(worst, long.seconds - COST * trainer.BATCH)
        return worst


def belongings():
    return sorted(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd")), children(os.getpid())


def test_faults_cost_time_and_nothing_else(tmp_path, monkeypatch) -> None:
    print(f"soak: seed {SEED}, {FAULTS} faults")
    monkeypatch.setenv(MARK, str(tmp_path))
    numpy.save(tmp_path / "numbers.npy", numpy.arange(trainer.SAMPLES))
    # loaders of other tests, which errors still hold
    gc.collect()
    before = belongings()
    soak = Soak(tmp_path)
    try:
        soak.run()
        soak.check()
        assert descendants_now() == []
    finally:
        soak.end()
    worst = soak.report()
    assert belongings() == before
    assert os.listdir(tmp_path / "run") == []
    assert worst <= STALL, f"seed {SEED}: a trainer waited {1000 * worst:.0f} ms for the service"

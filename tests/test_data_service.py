"""The service: a process that streams a pipeline to clients, through deaths of either side."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress

import numpy as np
import pytest

import rustorch as torch
from rustorch import data


@pytest.fixture
def source(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(600, dtype=np.float32).reshape(200, 3))
    np.save(tmp_path / "y.npy", np.arange(200))
    return data.npy(tmp_path / "x.npy", tmp_path / "y.npy")


def labels_of(batches):
    return torch.cat([batch[1] for batch in batches]).tolist()


def reports(address):
    """What the program says of each client."""
    command = [sys.executable, "-m", "rustorch.data", "status", "--json", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)["clients"]


def test_a_client_gets_the_stream_that_the_service_names(source) -> None:
    with source.shuffle(seed=7).batch(16) as embedded:
        expected = [labels_of(embedded) for _ in range(2)]
    with data.serve(source, batch_size=16, shuffle=True, seed=7) as service:
        with data.connect(service.address, name="train") as client:
            assert len(client) == 13
            assert [labels_of(client) for _ in range(2)] == expected
        with data.connect(service.address, batch_size=32, shuffle=False) as client:
            assert labels_of(client) == list(range(200))
        assert repr(service) == f"Service(address={service.address!r}, pid={service.pid})"
    with pytest.raises(OSError, match="no data service answers"):
        data.connect(service.address)


def test_resuming_on_another_client(source) -> None:
    with data.serve(source, batch_size=16, shuffle=True, seed=7, workers=2) as service:
        with data.connect(service.address) as client:
            epoch = iter(client)
            for _ in range(5):
                next(epoch)
            state = client.state_dict()
            rest = labels_of(epoch)
        with data.connect(service.address, name="resume", batch_size=8) as other:
            other.load_state_dict(state)
            assert labels_of(other) == rest


def test_python_functions_run_in_the_services_workers(source) -> None:
    scale = np.float32(2)
    mapped = source.map(lambda sample: (time.sleep(0.001), (sample[0] * scale, sample[1]))[1])
    with data.serve(mapped, batch_size=16, shuffle=True, seed=7) as service, source.shuffle(seed=7).batch(16) as plain:
        with data.connect(service.address) as client:
            for (x, y), (expected, labels) in zip(client, plain, strict=True):
                assert torch.equal(x, expected * 2)
                assert torch.equal(y, labels)
            (report,) = reports(service.address)
            # the workers slept a millisecond a sample, and the script did nothing but wait
            assert report["busy_seconds"] > 0.2
            assert 0.05 < report["waited_seconds"] <= report["seconds"]


def test_a_service_that_is_killed_and_comes_back(source, tmp_path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    address = f"unix:{folder}/data.sock"
    options = {"batch_size": 4, "shuffle": True, "seed": 3, "address": address}
    with source.shuffle(seed=3).batch(4) as embedded:
        expected = [labels_of(embedded) for _ in range(2)]
    first = data.serve(source, **options)
    with data.connect(address) as client:
        epoch = iter(client)
        taken = [next(epoch)[1] for _ in range(10)]
        os.kill(first.pid, signal.SIGKILL)
        first.close()
        with data.serve(source, **options):
            taken += [batch[1] for batch in epoch]
            assert torch.cat(taken).tolist() == expected[0]
            assert labels_of(client) == expected[1]


def test_batches_are_served_as_they_say(source) -> None:
    batches = source.shuffle(seed=7).batch(32, drop_last=True)
    with batches, data.serve(batches) as service, data.connect(service.address) as client:
        assert len(client) == len(batches) == 6
        assert labels_of(client) == labels_of(batches)
        assert repr(client) == f"Stream(address={service.address!r}, rank=0, ranks=1)"
    with data.serve(batches, batch_size=50, drop_last=False) as service, data.connect(service.address) as client:
        assert len(client) == 4


def test_what_the_service_cannot_do_is_said(source, tmp_path) -> None:
    with pytest.raises(ValueError, match="decode is for images, and the source holds arrays"):
        data.serve(source.decode(size=3))
    with pytest.raises(ValueError, match="batch_size should be a positive integer value, but got batch_size=0"):
        data.serve(source, batch_size=0)
    with pytest.raises(OSError, match=f"no data service answers at unix:{tmp_path}/none.sock"):
        data.connect(f"unix:{tmp_path}/none.sock")
    with pytest.raises(ValueError, match="reached at unix:PATH; 'tcp' is not supported"):
        data.connect("tcp:127.0.0.1:80")


def test_the_service_ends_with_its_script(source, tmp_path) -> None:
    script = f"""
import os
from rustorch import data
service = data.serve(data.npy({str(tmp_path / "x.npy")!r}))
print(service.pid, os.path.dirname(service.address.removeprefix("unix:")), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pid, folder = done.stdout.split()
    for _ in range(200):
        if not os.path.exists(f"/proc/{pid}"):
            assert not os.path.exists(folder)
            return
        time.sleep(0.05)
    pytest.fail("the service lives on")


def test_the_command_line(source) -> None:
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "rustorch.data", *arguments], capture_output=True, text=True, timeout=60
        )

    done = run("--help")
    assert done.returncode == 0
    assert "rustorch-data" in done.stdout
    assert run("sing").returncode == 2


def taken_from(stream, count):
    epoch = iter(stream)
    return [tuple(tensor.clone() for tensor in next(epoch)) for _ in range(count)]


def same(batches, others):
    return all(
        torch.equal(a, b)
        for batch, other in zip(batches, others, strict=True)
        for a, b in zip(batch, other, strict=True)
    )


def states_and_what_follows(stream, count=4):
    """Places of two epochs, each with the batches that come from there on."""
    found = []
    for _ in range(2):
        states, batches = [], []
        epoch = iter(stream)
        for batch in epoch:
            batches.append(tuple(tensor.clone() for tensor in batch))
            states.append(stream.state_dict())
        found += [(state, batches[at + 1 : at + 1 + count]) for at, state in enumerate(states[:-1])]
    return found


@pytest.mark.parametrize("is_mapped", [False, True], ids=["native", "mapped"])
@pytest.mark.parametrize("is_service", [False, True], ids=["embedded", "service"])
def test_a_live_stream_goes_on_elsewhere(source, is_mapped, is_service) -> None:
    source = source.shuffle(seed=7)
    if is_mapped:
        source = source.map(lambda sample: (sample[0] + np.float32(random.random()), sample[1]))
    chance = random.Random(5)
    with data.serve(source, batch_size=16) if is_service else nullcontext() as service:
        with data.connect(service.address) if is_service else source.batch(16) as stream:
            places = states_and_what_follows(stream)
            client, kept = stream._client, []
            waits = []
            for _ in range(60):
                state, expected = chance.choice(places)
                begin = time.perf_counter()
                stream.load_state_dict(state)
                assert stream.state_dict() == state
                batches = iter(stream)
                for number, batch in zip(range(chance.randrange(5)), batches, strict=False):
                    if number == 0:
                        waits.append(time.perf_counter() - begin)
                    if number < len(expected):
                        assert same([batch], expected[number : number + 1])
                        kept.append((batch, [tensor.clone() for tensor in batch]))
                del kept[: max(0, len(kept) - 3)]
                assert all(same([batch], [copy]) for batch, copy in kept)
            assert stream._client is client
            assert sorted(waits)[len(waits) // 2] < 0.05


def test_an_epoch_is_over_when_the_stream_goes_elsewhere(source) -> None:
    with source.batch(16) as stream:
        epoch = iter(stream)
        next(epoch)
        state = stream.state_dict()
        with pytest.raises(ValueError, match="the source has changed"):
            stream.load_state_dict({**state, "fingerprint": 1})
        assert next(epoch)[1][0] == 16, "a state that is refused changes nothing"
        stream.load_state_dict(state)
        assert list(epoch) == []
        # An iter() within an epoch leaves out the rest.
        assert labels_of(stream) == list(range(16, 200))
        next(iter(stream))
        assert labels_of(stream) == list(range(200))


def test_going_elsewhere_costs_the_same_in_a_thousand_million_samples(tmp_path) -> None:
    """The file is a hole: only positions count."""
    length = 10**9
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (length,)})
        file.truncate(file.tell() + length)
    with data.serve(data.npy(tmp_path / "x.npy"), batch_size=64, shuffle=True, seed=3) as service:
        with data.connect(service.address) as stream:
            next(iter(stream))
            state = stream.state_dict()
            waits = []
            for position in range(length // 2, length - 64, length // 100):
                begin = time.perf_counter()
                stream.load_state_dict({**state, "epoch": position % 7, "position": position})
                next(iter(stream))
                waits.append(time.perf_counter() - begin)
            # 0.3 ms on a quiet machine; a walk over the positions takes seconds.
            assert sorted(waits)[len(waits) // 4] < 0.005
            waits = []
            for _ in range(5):
                begin = time.perf_counter()
                with data.connect(service.address) as other:
                    other.load_state_dict({**state, "epoch": 9, "position": length - 100})
                    assert [len(batch) for (batch,) in other] == [64, 36]
                waits.append(time.perf_counter() - begin)
            # 5 ms on a quiet machine.
            assert min(waits) < 0.08


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = file.read().split()
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
            found += file.read().split()
    return {int(child) for child in found}


@pytest.mark.parametrize("is_service", [False, True], ids=["embedded", "service"])
def test_workers_that_are_killed_while_the_stream_goes_elsewhere(source, is_service) -> None:
    mapped = source.shuffle(seed=7).map(lambda sample: (sample[0] + np.float32(random.random()), sample[1]))
    chance = random.Random(11)
    with data.serve(mapped, batch_size=16) if is_service else nullcontext() as service:
        with data.connect(service.address) if is_service else mapped.batch(16) as stream:
            places = states_and_what_follows(stream)
            over, kills = threading.Event(), []

            def kill():
                while not over.wait(0.4):
                    workers = children_of(service.pid) if is_service else stream._client.processes()
                    if workers:
                        kills.append(chance.choice(sorted(workers)))
                        with suppress(ProcessLookupError):
                            os.kill(kills[-1], signal.SIGKILL)

            killer = threading.Thread(target=kill)
            killer.start()
            try:
                begin, seeks = time.perf_counter(), 0
                while len(kills) < 6 and time.perf_counter() - begin < 60:
                    state, expected = places[(seeks * 7) % len(places)]
                    stream.load_state_dict(state)
                    assert same(taken_from(stream, min(2, len(expected))), expected[:2])
                    seeks += 1
            finally:
                over.set()
                killer.join()
            assert len(kills) >= 6
            assert seeks >= 6


def widths_and_values(batches):
    return [(len(batch[0]), batch[:, -1].tolist()) for batch in batches]


def test_batches_may_grow_far_beyond_the_first_sample(source, tmp_path) -> None:
    # The width grows with the number: batches of ten samples are of one width.
    mapped = source.map(lambda sample: np.full(((int(sample[1]) // 10) ** 2 * 50 + 1,), int(sample[1])))
    with mapped.batch(10) as embedded:
        expected = widths_and_values(embedded)
    assert expected[-1] == (19**2 * 50 + 1, list(range(190, 200)))
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    options = {"batch_size": 10, "address": f"unix:{folder}/data.sock"}
    first = data.serve(mapped, **options)
    with data.connect(first.address) as client:
        assert widths_and_values(client) == expected
        assert widths_and_values(client) == expected
    with data.connect(first.address) as client:
        epoch, taken = iter(client), []
        for batch in epoch:
            taken.append(batch.clone())
            if len(taken) == 12:
                os.kill(first.pid, signal.SIGKILL)
                first.close()
                second = data.serve(mapped, **options)
            if len(taken) == 16:
                state = client.state_dict()
        assert widths_and_values(taken) == expected
        for _ in range(3):
            client.load_state_dict(state)
            assert widths_and_values(client) == expected[16:]
    second.close()


def test_a_slow_trainer_finds_the_next_batch_ready(source) -> None:
    """The service hears of each slot that is free again: it does not look for one now and then."""
    with data.serve(source.map(lambda sample: sample[1]), batch_size=2) as service:
        with data.connect(service.address) as client:
            list(client)
            waits = []
            for _ in range(2):
                for _batch in client:
                    time.sleep(0.003)
                    waits.append(client._client.figures()[1])
            waited = waits[-1] - waits[0]
            assert waited < 0.001 * len(waits), f"{waited} s in {len(waits)} batches"


def fails_of(sample):
    if int(sample[1]) in (37, 199):
        raise ValueError(f"sample {int(sample[1])} is no good")
    if int(sample[1]) == 80:
        os._exit(7)
    return sample[1]


@pytest.mark.parametrize("is_service", [False, True], ids=["embedded", "service"])
def test_batches_that_cannot_be_made_are_left_out_and_reported(source, is_service) -> None:
    mapped = source.map(lambda sample: fails_of(sample))
    left = [list(range(32, 40)), list(range(80, 88)), list(range(192, 200))]
    expected = [sample for sample in range(200) if all(sample not in samples for samples in left)]
    with data.serve(mapped, batch_size=8) if is_service else nullcontext() as service:
        options = {"on_error": "skip"}
        with data.connect(service.address, **options) if is_service else mapped.batch(8, **options) as stream:
            with pytest.warns(UserWarning, match=r"samples \[32, 33.*epoch 0: (?s:.*)sample 37 is no good") as told:
                assert [number for batch in stream for number in batch.tolist()] == expected
            assert (len(told), told[0].filename) == (1, __file__)
            assert [(batch.epoch, batch.samples) for batch in stream.skipped] == [(0, samples) for samples in left]
            kinds = [type(batch.error) for batch in stream.skipped]
            assert kinds == [ValueError, RuntimeError, ValueError]
            assert "3 DataLoader workers died of sample 80" in str(stream.skipped[1].error)
            assert [number for batch in stream for number in batch.tolist()] == expected
            assert stream.skipped[-1].epoch == 1


def test_an_error_at_the_end_of_an_epoch_ends_it(source) -> None:
    with source.map(lambda sample: fails_of(sample)).batch(8) as stream:
        stream.load_state_dict({**stream.state_dict(), "position": 184})
        epoch = iter(stream)
        assert next(epoch).tolist() == list(range(184, 192))
        with pytest.raises(ValueError, match="sample 199 is no good"):
            next(epoch)
        assert list(epoch) == []
        assert next(iter(stream)).tolist() == list(range(8))
    with pytest.raises(ValueError, match="on_error is 'raise' or 'skip', not 'ignore'"):
        source.batch(8, on_error="ignore")

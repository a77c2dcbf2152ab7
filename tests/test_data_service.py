"""The service: a process that streams a pipeline to clients, through deaths of either side."""

import os
import signal
import subprocess
import sys
import time

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
    mapped = source.map(lambda sample: (sample[0] * scale, sample[1]))
    with data.serve(mapped, batch_size=16, shuffle=True, seed=7) as service, source.shuffle(seed=7).batch(16) as plain:
        with data.connect(service.address) as client:
            for (x, y), (expected, labels) in zip(client, plain, strict=True):
                assert torch.equal(x, expected * 2)
                assert torch.equal(y, labels)


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

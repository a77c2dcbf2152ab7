"""`python -m rustorch.data`: the program of the data service, as the wheel carries it."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy
import pytest

from rustorch import data

PROGRAM = [sys.executable, "-m", "rustorch.data"]


def run(*arguments, code=0):
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture
def arrays(tmp_path):
    paths = [tmp_path / "images.npy", tmp_path / "labels.npy"]
    numpy.save(paths[0], numpy.arange(1000 * 6, dtype=numpy.float32).reshape(1000, 2, 3))
    numpy.save(paths[1], numpy.arange(1000))
    return paths


@contextlib.contextmanager
def serving(*arguments, folder):
    """A running service: its process and its address. It must end in order."""
    address = f"unix:{folder}/run/data.sock"
    command = [*PROGRAM, "serve", *map(str, arguments), "--address", address]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        printed = [service.stdout.readline() for _ in range(2)]
        assert address in printed[1], (printed, service.stderr.read() if service.poll() is not None else "")
        yield service, address
    finally:
        service.terminate()
        assert service.wait(20) == 0
        service.stdout.close()
        service.stderr.close()


def test_help_and_exit_codes():
    assert "Exit codes" in run("--help") and "Examples" in run("serve", "--help")
    assert "Usage" in run("serve", code=2)
    assert "absent.npy" in run("serve", "absent.npy", code=1)


def test_a_script_gets_what_the_program_serves(arrays, tmp_path):
    with serving(*arrays, "--seed", 3, folder=tmp_path) as (service, address):
        loader = data.connect(address, batch_size=100, shuffle=True, seed=3)
        seen = []
        for images, labels in loader:
            assert tuple(images.shape) == (100, 2, 3)
            assert images[:, 0, 0].tolist() == [6 * label for label in labels.tolist()]
            seen += labels.tolist()
        assert sorted(seen) == list(range(1000)) and seen != sorted(seen)
        report = json.loads(run("status", "--json", address))
        assert (report["samples"], report["process"], len(report["clients"])) == (1000, service.pid, 1)
        table = run("status", "--once", address)
        assert "samples/s" in table and "slower side" in table
        loader.close()


def test_a_killed_service_comes_back_and_the_script_goes_on(arrays, tmp_path):
    with serving(*arrays, folder=tmp_path) as (service, address):
        loader = data.connect(address, batch_size=10, shuffle=True, seed=1)
        stream = iter(loader)
        seen = [next(stream)[1].tolist() for _ in range(5)]
        service.kill()
        service.wait(20)
        service.returncode = 0  # this end was meant
    with serving(*arrays, folder=tmp_path):
        seen += [labels.tolist() for _, labels in stream]
        loader.close()
    assert sorted(label for labels in seen for label in labels) == list(range(1000))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_in_order(arrays, tmp_path, end):
    with serving(*arrays, folder=tmp_path) as (service, _):
        service.send_signal(end)
        assert service.wait(20) == 0
    assert not (tmp_path / "run" / "data.sock").exists()


def test_ctrl_c_ends_a_command_at_once(arrays):
    bench = subprocess.Popen([*PROGRAM, "bench", *map(str, arrays), "--seconds", "60"])
    time.sleep(1)
    bench.send_signal(signal.SIGINT)
    assert bench.wait(5) == -signal.SIGINT


def test_the_log_is_json_lines(arrays, tmp_path):
    log = tmp_path / "log.jsonl"
    with (
        serving(*arrays, "--log", log, folder=tmp_path) as (_, address),
        data.connect(address, batch_size=50) as loader,
    ):
        next(iter(loader))
    time.sleep(0.1)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert events[0]["message"] == "serving" and events[-1]["message"] == "ended"
    assert {"client connected", "client gone"} <= {event["message"] for event in events}


def test_verify_names_the_damaged_file(tmp_path):
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of this test")
    for name in ("cat/0.jpg", "cat/1.jpg", "dog/0.jpg"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = numpy.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=numpy.uint8)
        pillow.fromarray(pixels).save(path)
    assert "3 records" in run("verify", tmp_path / "train", "--size", 16)
    broken = pathlib.Path(tmp_path / "train/cat/1.jpg")
    broken.write_bytes(broken.read_bytes()[:200])
    found = json.loads(run("verify", tmp_path / "train", "--size", 16, "--json", code=1))
    assert [damage["record"] for damage in found["damaged"]] == [1]
    assert "cat/1.jpg" in found["damaged"][0]["error"]

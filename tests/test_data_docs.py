"""Every command and snippet of docs/data-service.md runs, in the order of the page; so do the README's three lines."""

import contextlib
import gzip
import os
import pathlib
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tarfile

import numpy
import pytest

from rustorch import data

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "data-service.md").read_text()
README = (ROOT / "README.md").read_text()


def blocks(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def commands(page=PAGE):
    lines = [line for block in blocks("sh", page) for line in block.splitlines() if line]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page speaks of, and the program on the path."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of the page")
    numpy.save(tmp_path / "images.npy", numpy.random.default_rng(0).random((300, 1, 8, 8), numpy.float32))
    numpy.save(tmp_path / "labels.npy", numpy.arange(300))
    for number in range(6):
        picture = tmp_path / "train" / ("cat" if number % 2 else "dog") / f"{number:04}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(numpy.full((32, 32, 3), 40 * number, numpy.uint8)).save(picture)
    with tarfile.open(tmp_path / "pictures.tar", "w") as archive:
        archive.add(tmp_path / "train", "train")
    (tmp_path / "pipeline.json").write_text(blocks("json")[0])
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "rustorch-data"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rustorch.data "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def running(command):
    """A service, and what it says when it begins. It must end in order."""
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield [service.stdout.readline() for _ in range(4)]
    finally:
        service.terminate()
        assert service.wait(20) == 0
        service.stdout.close()


def test_the_page_runs(folder):
    first, *others = commands()
    assert first[1] == "serve" and {command[0] for command in others} == {"rustorch-data"}
    assert {command[1] for command in others} == {"status", "bench", "verify", "index"}
    with running(first) as said:
        assert "serving 300 samples" in said[0]
        script = "\n".join(blocks("python")) + "\nassert len(images) and len(next(iter(again))) == 2\n"
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
        for command in others:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout, (command, done.stderr)


def rows():
    """What the table of sources calls them, with the options that it adds."""
    table = PAGE.split("| SOURCE |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        said = re.findall("`(.*?)`", row.split("|")[1])
        endings = [word for word in said if word.startswith(".")]
        options = [part for word in said if word.startswith("--") for part in word.split()]
        for ending in ["", *endings]:
            names = [
                name.removesuffix(".tar") + ending if ".tar" in ending else name + ending for name in said[0].split()
            ]
            yield [*names, *options]


@pytest.mark.parametrize("arguments", list(rows()), ids=" ".join)
def test_every_source_of_the_table_is_served(folder, arguments):
    for name in ("a", "b"):
        numpy.save(folder / f"{name}.npy", numpy.arange(6))
    for name, shape in (("images-idx3-ubyte", (6, 4, 4)), ("labels-idx1-ubyte", (6,))):
        header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
        (folder / name).write_bytes(header + bytes(int(numpy.prod(shape))))
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    shutil.copy(folder / "pictures.tar", folder / "shard.tar")
    (folder / "shard.tar.gz").write_bytes(gzip.compress((folder / "shard.tar").read_bytes()))
    numpy.arange(6 * 256 + 1, dtype=numpy.uint16).tofile(folder / "corpus.bin")
    options = ["--augment", "flip,crop"] if "--size" in arguments else []
    with running(["rustorch-data", "serve", *arguments, *options, "--shuffle", "block", "--log", "run.jsonl"]) as said:
        assert said[0].startswith("serving 6 samples of "), said
        with data.connect(said[1].split()[1]) as loader:
            (batch,) = list(loader)
        assert [len(field) for field in batch] == [6] * len(batch)
    assert '"serving"' in (folder / "run.jsonl").read_text()


def test_the_lines_of_the_readme_run(folder):
    serve, status, _ = [command for command in commands(README) if command[0] != "make"]
    assert serve[:2] == ["rustorch-data", "serve"] and status == ["rustorch-data", "status"]
    with running(serve) as said:
        # what it prints connects
        script = f"import rustorch\n{said[3].strip()}\nassert sum(len(x) for x, _ in loader) == 300"
        with subprocess.Popen(status, stdout=subprocess.PIPE, text=True) as following:
            subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
            assert "300 samples of images.npy labels.npy" in following.stdout.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(20) == -signal.SIGINT


def test_the_example_of_the_readme_runs_on_the_real_images(folder):
    pytest.importorskip("matplotlib", reason="the example's extras are not installed")
    *_, example = commands(README)
    assert example == ["python", "examples/cifar10.py"]
    paths = [above / "shared" / "data" / "cifar10" / "cifar10-jpeg.tar.gz" for above in ROOT.parents]
    found = [path for path in paths if path.exists()]
    if not found:
        pytest.skip("no shared/data/cifar10 beside the repository")
    # all of them take minutes: 20 and 10 of each class
    kept = {}
    with tarfile.open(found[0]) as archive, tarfile.open("few.tar", "w") as few:
        for member in archive:
            group = os.path.dirname(member.name)
            kept[group] = kept.get(group, 0) + 1
            if member.isfile() and kept[group] <= (20 if group.startswith("train") else 10):
                few.addfile(member, archive.extractfile(member))
    options = ["--tar", "few.tar", "--epochs", "1", "--batch-size", "50", "--out", "out"]
    command = [sys.executable, str(ROOT / example[1]), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "of the test images are recognised" in done.stdout and "bottleneck: " in done.stdout + done.stderr


def test_the_pipeline_in_a_file_is_served(folder):
    done = subprocess.run(["rustorch-data", "verify", "pipeline.json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "6 records" in done.stdout, done.stderr


def test_the_exit_codes_are_those_of_the_page(folder):
    told = dict(re.findall(r"^\| (\d) \| (.*?) \|$", PAGE, re.MULTILINE))
    assert sorted(told) == ["0", "1", "2"]
    for code, arguments in (("0", ["--help"]), ("1", ["verify", "absent.npy"]), ("2", ["verify"])):
        done = subprocess.run(["rustorch-data", *arguments], capture_output=True, timeout=60)
        assert str(done.returncode) == code, told[code]

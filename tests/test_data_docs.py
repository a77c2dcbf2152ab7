"""Every command and every snippet of docs/data-service.md runs, in the order of the page."""

import io
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tarfile

import numpy
import pytest

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs" / "data-service.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands():
    return [shlex.split(line) for block in blocks("sh") for line in block.splitlines() if line]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page speaks of, and the program on the path."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of the page")
    numpy.save(tmp_path / "images.npy", numpy.random.default_rng(0).random((300, 1, 8, 8), numpy.float32))
    numpy.save(tmp_path / "labels.npy", numpy.arange(300))
    with tarfile.open(tmp_path / "pictures.tar", "w") as archive:
        for number in range(6):
            picture = io.BytesIO()
            pillow.fromarray(numpy.full((32, 32, 3), 40 * number, numpy.uint8)).save(picture, "JPEG")
            member = tarfile.TarInfo(f"train/{'cat' if number % 2 else 'dog'}/{number:04}.jpg")
            member.size = picture.tell()
            picture.seek(0)
            archive.addfile(member, picture)
    (tmp_path / "pipeline.json").write_text(blocks("json")[0])
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "rustorch-data"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rustorch.data "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_runs(folder):
    first, *others = commands()
    assert first[1] == "serve" and {command[0] for command in others} == {"rustorch-data"}
    assert {command[1] for command in others} == {"status", "bench", "verify", "index"}
    service = subprocess.Popen(first, stdout=subprocess.PIPE, text=True)
    try:
        assert "serving 300 samples" in service.stdout.readline()
        script = "\n".join(blocks("python")) + "\nassert len(images) and len(next(iter(again))) == 2\n"
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
        for command in others:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout, (command, done.stderr)
    finally:
        service.terminate()
        assert service.wait(20) == 0
        service.stdout.close()


def test_the_pipeline_in_a_file_is_served(folder):
    done = subprocess.run(["rustorch-data", "verify", "pipeline.json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "6 records" in done.stdout, done.stderr


def test_the_exit_codes_are_those_of_the_page(folder):
    told = dict(re.findall(r"^\| (\d) \| (.*?) \|$", PAGE, re.MULTILINE))
    assert sorted(told) == ["0", "1", "2"]
    for code, arguments in (("0", ["--help"]), ("1", ["verify", "absent.npy"]), ("2", ["verify"])):
        done = subprocess.run(["rustorch-data", *arguments], capture_output=True, timeout=60)
        assert str(done.returncode) == code, told[code]

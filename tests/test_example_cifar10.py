"""The example of a JPEG tar: it trains on a small one, writes what it promises, and says why it skips."""

import io
import json
import pathlib
import subprocess
import sys
import tarfile

import numpy
import pytest

pytest.importorskip("matplotlib", reason="the example's extras are not installed")
pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of this test")
EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples" / "cifar10.py"


def run(*arguments):
    command = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def tar(tmp_path):
    """Three classes told apart by their colour: 60 images for training, 30 for the test."""
    random = numpy.random.default_rng(0)
    path = tmp_path / "pictures.tar"
    with tarfile.open(path, "w") as archive:
        for part, count in (("train", 20), ("test", 10)):
            for channel, name in enumerate(("blue", "green", "red")):
                for number in range(count):
                    pixels = random.integers(0, 60, (32, 32, 3), dtype=numpy.uint8)
                    pixels[:, :, 2 - channel] += 150
                    picture = io.BytesIO()
                    pillow.fromarray(pixels).save(picture, "JPEG")
                    member = tarfile.TarInfo(f"{part}/{name}/{number:04}.jpg")
                    member.size = picture.tell()
                    picture.seek(0)
                    archive.addfile(member, picture)
    return path


def test_it_learns_and_writes_what_it_promises(tar, tmp_path):
    printed = run("--tar", tar, "--epochs", 8, "--batch-size", 10, "--lr", 0.02, "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curves.png", "result.json"}
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(result) == {"test_accuracy", "train_seconds", "images_per_second", "seed", "epochs"}
    assert result["test_accuracy"] > 0.9
    assert "of the test images are recognised" in printed
    assert printed.count("bottleneck: ") == 8


def test_it_says_why_it_skips(tmp_path):
    assert run("--tar", tmp_path / "absent.tar", "--out", tmp_path / "out").startswith("Skipped: ")
    assert not (tmp_path / "out").exists()

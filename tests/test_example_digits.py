"""The main job: the example trains, writes what it promises, and goes on bit for bit."""

import json
import pathlib
import subprocess
import sys

import pytest

import rustorch as torch

pytest.importorskip("sklearn", reason="the example's extras are not installed")
pytest.importorskip("matplotlib", reason="the example's extras are not installed")
EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples" / "digits.py"


def run(out, *arguments):
    command = [sys.executable, str(EXAMPLE), "--out", str(out), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_writes_what_it_promises(tmp_path):
    printed = run(tmp_path, "--epochs", 2, "--seed", 3)
    written = {"checkpoint.pt", "curves.png", "mistakes.png", "result.json"}
    assert {path.name for path in tmp_path.iterdir()} == written | {"training-images.npy", "training-labels.npy"}
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result) == {"test_accuracy", "train_seconds", "seed", "epochs"}
    assert (result["seed"], result["epochs"]) == (3, 2) and 0.6 < result["test_accuracy"] <= 1
    assert "Try next:" in printed.splitlines()[-1]


@pytest.mark.parametrize("form", ["service", "inline"])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path, form):
    run(tmp_path / "whole", "--epochs", 2, "--data", form)
    run(tmp_path / "half", "--epochs", 1, "--data", form)
    # in another folder, so that the scans are written anew
    run(tmp_path / "parts", "--epochs", 2, "--data", form, "--resume", tmp_path / "half" / "checkpoint.pt")
    whole, parts = (torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert whole["history"] == parts["history"]
    assert torch.equal(whole["generator"], parts["generator"])
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, parts["model"][name]), name
    for number, state in whole["optimizer"]["state"].items():
        for key, value in state.items():
            assert torch.equal(value, parts["optimizer"]["state"][number][key]), (number, key)


def test_the_bottleneck_is_named_on_request(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--out", str(tmp_path), "--epochs", "1", "--bottleneck"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (done.stdout + done.stderr).count("bottleneck: ") == 1


def test_the_same_seed_gives_the_same_run(tmp_path):
    run(tmp_path / "a", "--epochs", 1, "--seed", 5)
    run(tmp_path / "b", "--epochs", 1, "--seed", 5)
    a, b = (torch.load(tmp_path / name / "checkpoint.pt") for name in "ab")
    assert a["history"] == b["history"]


def test_the_checkpoint_opens_in_pytorch(tmp_path):
    pytorch = pytest.importorskip("torch", reason="PyTorch is not installed beside rustorch")
    run(tmp_path, "--epochs", 1)
    theirs = pytorch.load(tmp_path / "checkpoint.pt", weights_only=True)
    ours = torch.load(tmp_path / "checkpoint.pt")
    assert list(theirs["model"]) == list(ours["model"])
    for name, tensor in theirs["model"].items():
        assert tensor.tolist() == ours["model"][name].tolist()
    pytorch.save(theirs, tmp_path / "theirs.pt")
    again = torch.load(tmp_path / "theirs.pt")
    assert again["history"] == ours["history"] and torch.equal(again["generator"], ours["generator"])

"""Pipelines: sources, steps, order, batches, places in the stream."""

import threading

import numpy as np
import pytest

import rustorch as torch
from rustorch import data
from rustorch.utils.data import DataLoader


@pytest.fixture
def arrays(tmp_path):
    images = np.arange(40 * 3, dtype=np.uint8).reshape(40, 3)
    labels = np.arange(40, dtype=np.int64) * 10
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    return data.npy(tmp_path / "x.npy", tmp_path / "y.npy"), images, labels


def labels_of(batches):
    return torch.cat([batch[1] for batch in batches]).tolist()


def test_samples_and_steps(arrays) -> None:
    pipeline, images, labels = arrays
    assert len(pipeline) == 40
    assert [(dtype, shape) for _, dtype, shape in pipeline.fields] == [("uint8", [3]), ("int64", [])]
    image, label = pipeline.scale(2.0, add=1.0)[-1]
    assert image.tolist() == (images[-1] * 2.0 + 1).tolist()
    assert image.dtype == np.float32
    assert label == labels[-1]
    assert isinstance(label, np.int64)
    with pytest.raises(IndexError, match="sample 40 is out of range for a source of 40 samples"):
        pipeline[40]
    with pytest.raises(ValueError, match="native steps come before map"):
        pipeline.map(lambda sample: sample).scale(2.0)
    with pytest.raises(ValueError, match="decode is for images"):
        len(pipeline.decode(size=8))


def test_batches_in_order_and_shuffled(arrays) -> None:
    pipeline, images, labels = arrays
    with pipeline.batch(16) as batches:
        assert len(batches) == 3
        first, second = list(batches), list(batches)
        assert [len(batch[0]) for batch in first] == [16, 16, 8]
        assert torch.equal(torch.cat([batch[0] for batch in first]), torch.from_numpy(images))
        assert labels_of(first) == labels_of(second) == labels.tolist()
    with pipeline.shuffle(seed=3).batch(16, drop_last=True) as batches:
        epochs = [labels_of(batches) for _ in range(3)]
        assert [len(set(epoch)) for epoch in epochs] == [32, 32, 32]
        assert epochs[0] != epochs[1]
    with pipeline.shuffle(seed=3).batch(5, workers=1) as batches:
        assert labels_of(batches)[:32] == epochs[0]


def test_the_bottleneck_is_named(arrays) -> None:
    import time

    with arrays[0].batch(8) as batches:
        assert batches.bottleneck() == "nothing has been read yet"
        for _ in batches:
            time.sleep(0.02)
        assert batches.bottleneck().startswith("the trainer: of ")
    with arrays[0].map(lambda sample: time.sleep(0.01) or sample).batch(8, workers=1) as batches:
        list(batches)
        assert batches.bottleneck().startswith("the workers: of ")


def test_ranks_share_each_batch(arrays) -> None:
    pipeline = arrays[0].shuffle(seed=1)
    with pipeline.batch(8) as whole, pipeline.batch(4, ranks=2) as first, pipeline.batch(4, rank=1, ranks=2) as second:
        together = [torch.cat([a[1], b[1]]).tolist() for a, b in zip(first, second, strict=True)]
        assert together == [batch[1].tolist() for batch in whole]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_python_function_is_mapped_by_worker_processes(arrays, workers) -> None:
    pipeline = arrays[0]
    shift = np.float32(0.5)
    mapped = pipeline.shuffle(seed=2).map(lambda sample: {"x": sample[0] + shift, "y": int(sample[1])})
    with mapped.batch(7, workers=workers) as batches, pipeline.shuffle(seed=2).batch(7) as native:
        for batch, (x, y) in zip(batches, native, strict=True):
            assert torch.equal(batch["x"], x.float() + 0.5)
            assert torch.equal(batch["y"], y)
        assert len(list(batches)) == 6


def test_an_exception_of_the_function_arrives(arrays) -> None:
    def fail(sample):
        raise LookupError("nothing here")

    with arrays[0].map(fail).batch(4) as batches:
        with pytest.raises(LookupError, match="Caught LookupError in DataLoader worker process"):
            next(iter(batches))


@pytest.mark.parametrize("mapped", [False, True])
def test_a_state_goes_on_with_other_workers_and_batches(arrays, mapped) -> None:
    pipeline = arrays[0].shuffle(seed=4)
    if mapped:
        pipeline = pipeline.map(lambda sample: sample)
    with pipeline.batch(6, workers=1) as batches:
        list(batches)
        epoch = iter(batches)
        for _ in range(3):
            next(epoch)
        state = batches.state_dict()
        assert all(isinstance(value, int) for value in state.values())
        assert (state["epoch"], state["position"]) == (1, 18)
        rest, following = labels_of(epoch), labels_of(batches)
    with pipeline.batch(5, workers=2) as other:
        other.load_state_dict(state)
        assert other.state_dict() == state
        assert labels_of(other) == rest
        assert labels_of(other) == following


def test_an_epoch_broken_off_is_left_out(arrays) -> None:
    pipeline = arrays[0].shuffle(seed=4)
    with pipeline.batch(8) as batches:
        epochs = [labels_of(batches) for _ in range(2)]
    with pipeline.batch(8) as batches:
        abandoned = iter(batches)
        next(abandoned)
        assert labels_of(batches) == epochs[1]
        assert list(abandoned) == []


def test_a_changed_source_is_refused(arrays, tmp_path) -> None:
    pipeline = arrays[0]
    with pipeline.batch(8) as batches:
        next(iter(batches))
        state = batches.state_dict()
    np.save(tmp_path / "x.npy", np.zeros((40, 3), np.uint8)[:30])
    np.save(tmp_path / "y.npy", np.arange(30))
    changed = data.npy(tmp_path / "x.npy", tmp_path / "y.npy")
    with pytest.raises(ValueError, match="the source has changed since this state was saved"):
        changed.batch(8).load_state_dict(state)


def test_a_pipeline_is_a_data_set(arrays) -> None:
    pipeline, _, labels = arrays
    for workers in (0, 2):
        assert labels_of(DataLoader(pipeline, batch_size=8, num_workers=workers)) == labels.tolist()


def test_damaged_and_missing_files_are_named(tmp_path) -> None:
    for source in (data.npy, data.idx, data.tar, data.image_folder, lambda path: data.tokens(path, window=4)):
        with pytest.raises(FileNotFoundError, match="missing"):
            source(tmp_path / "missing")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(RuntimeError, match="bad.npy.* is damaged at byte"):
        data.npy(tmp_path / "bad.npy").batch(4)


def test_threads_share_an_epoch(arrays) -> None:
    pipeline, _, labels = arrays
    with pipeline.batch(2) as batches:
        for _ in range(2):
            epoch, seen = iter(batches), []

            def take(epoch=epoch, seen=seen) -> None:
                for *_, numbers in epoch:
                    seen.extend(numbers.tolist())

            threads = [threading.Thread(target=take) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert sorted(seen) == sorted(labels.tolist())


def test_wrong_numbers_are_refused_where_they_stand(arrays) -> None:
    pipeline, *_ = arrays
    for size in (0, -1, 2.5):
        with pytest.raises(
            ValueError, match=f"batch_size should be a positive integer value, but got batch_size={size}"
        ):
            pipeline.batch(size)
    with pytest.raises(ValueError, match="workers should be a positive integer value, but got workers=0"):
        pipeline.batch(4, workers=0)
    with pytest.raises(ValueError, match="rank 2 is not below the number of ranks, 2"):
        pipeline.batch(4, rank=2, ranks=2)


def test_images(tmp_path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for colour in ("blue", "red"):
        (tmp_path / colour).mkdir()
        for number in range(3):
            pillow.new("RGB", (20, 30), colour).save(tmp_path / colour / f"{number}.png")
    pipeline = data.image_folder(tmp_path).decode(size=8).augment("flip")
    with pipeline.shuffle(seed=1).batch(6) as batches:
        ((images, labels),) = list(batches)
    assert images.shape == (6, 3, 8, 8)
    for image, label in zip(images, labels.tolist(), strict=True):
        assert image[2 if label == 0 else 0].float().mean() == 255


def test_random_numbers_of_a_mapped_pipeline_belong_to_the_sample(arrays) -> None:
    import random

    mapped = arrays[0].shuffle(seed=9).map(lambda sample: (random.random(), np.random.rand(), torch.rand(())))

    def drawn(**options):
        with mapped.batch(**options) as batches:
            return [torch.cat(column).tolist() for column in zip(*batches, strict=True)]

    assert drawn(size=8, workers=1) == drawn(size=5, workers=2)

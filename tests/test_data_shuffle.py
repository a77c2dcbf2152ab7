"""Shuffling in blocks: each sample once, the same order from every way in, and as well mixed as a whole permutation."""

import io
import tarfile

import numpy
import pytest

from rustorch import data
from test_data_command import serving

pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of these tests")
IMAGES = 1200
# Blocks of 8 samples, mixed within 60 of the 150 blocks: three windows, the last of them half full.
BLOCKS = {"block": 8, "window": 60}


def picture(number):
    """An image that knows its number."""
    file = io.BytesIO()
    pillow.fromarray(numpy.full((2, 2, 3), (number % 256, number // 256, 7), numpy.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same images in four shards and in a folder of classes."""
    folder = tmp_path_factory.mktemp("images")
    for shard in range(4):
        (folder / "train" / f"{shard}").mkdir(parents=True)
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(300 * shard, 300 * (shard + 1)):
                member = tarfile.TarInfo(f"{number:05}.png")
                member.size = len(picture(number))
                archive.addfile(member, io.BytesIO(picture(number)))
                (folder / "train" / f"{shard}" / f"{number:05}.png").write_bytes(picture(number))
    return folder


@pytest.fixture(params=["tar", "folder"])
def kind(request):
    return request.param


def pipeline(folder, kind):
    paths = [folder / f"{shard}.tar" for shard in range(4)]
    source = data.tar(*paths) if kind == "tar" else data.image_folder(folder / "train")
    return source.decode(size=2)


def arguments(folder, kind):
    return [folder / "train"] if kind == "folder" else [folder / f"{shard}.tar" for shard in range(4)]


def numbers(batches):
    """The order of one epoch."""
    found = [images[:, :2, 0, 0].numpy().astype(int) @ [1, 256] for images, *_ in batches]
    return numpy.concatenate(found).tolist()


def distance(order):
    """Of neighbours in the stream, as a part of what a uniform permutation has: 1 is perfect."""
    return numpy.abs(numpy.diff(order)).mean() / (len(order) / 3)


def test_an_epoch_has_every_sample_once_and_well_mixed(folder, kind):
    with pipeline(folder, kind).shuffle(seed=5, **BLOCKS).batch(64) as batches:
        epochs = [numbers(batches) for _ in range(3)]
    assert all(sorted(epoch) == list(range(IMAGES)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    # a part of the neighbours, one in 60, come from one block
    assert numpy.mean([distance(epoch) for epoch in epochs]) == pytest.approx(1, abs=0.04)
    # a window holds whole blocks and no others: that is what makes reading cheap
    size = BLOCKS["block"] * BLOCKS["window"]
    for epoch in epochs:
        windows = [{number // BLOCKS["block"] for number in epoch[at : at + size]} for at in range(0, IMAGES, size)]
        assert [len(blocks) for blocks in windows] == [60, 60, 30]


def test_the_order_depends_on_nothing_but_seed_and_epoch(folder, kind):
    shuffled = pipeline(folder, kind).shuffle(seed=5, **BLOCKS)
    with shuffled.batch(64, workers=1) as batches:
        expected = [numbers(batches) for _ in range(2)]
    with shuffled.batch(7, workers=3) as batches:
        assert [numbers(batches) for _ in range(2)] == expected
    with shuffled.map(lambda sample: sample).batch(50, workers=2) as batches:
        assert [numbers(batches) for _ in range(2)] == expected
    with shuffled.batch(20, ranks=2) as first, shuffled.batch(20, rank=1, ranks=2) as second:
        assert numbers(batch for pair in zip(first, second, strict=True) for batch in pair) == expected[0]
    with pipeline(folder, kind).shuffle(seed=6, **BLOCKS).batch(64) as batches:
        assert numbers(batches) != expected[0]


def test_going_on_in_the_middle_of_a_block(folder, kind):
    shuffled = pipeline(folder, kind).shuffle(seed=5, **BLOCKS)
    with shuffled.batch(30) as batches:
        numbers(batches)
        epoch = iter(batches)
        for _ in range(17):
            next(epoch)
        state, rest, following = batches.state_dict(), numbers(epoch), numbers(batches)
    with shuffled.batch(11, workers=1) as batches:
        batches.load_state_dict(state)
        assert numbers(batches) == rest and numbers(batches) == following
    with pipeline(folder, kind).shuffle(seed=5).batch(30) as batches, pytest.raises(ValueError, match="order"):
        batches.load_state_dict(state)


def test_a_service_gives_the_same_order(folder, kind):
    shuffled = pipeline(folder, kind).shuffle(seed=5, **BLOCKS)
    with shuffled.batch(64) as batches:
        expected = [numbers(batches) for _ in range(2)]
    with data.serve(shuffled, batch_size=64) as service:
        with data.connect(service.address, batch_size=33) as client:
            assert [numbers(client) for _ in range(2)] == expected


def test_the_program_shuffles_in_blocks(folder, kind, tmp_path):
    with pipeline(folder, kind).shuffle(seed=3, block=1024, window=256).batch(64) as batches:
        expected = [numbers(batches) for _ in range(2)]
    command = [*arguments(folder, kind), "--size", 2, "--shuffle", "block", "--seed", 3]
    with serving(*command, "--threads", 3, folder=tmp_path) as (_, address):
        with data.connect(address) as client:
            first = numbers(client)
            state = client.state_dict()
            assert [first, numbers(client)] == expected
        with data.connect(address, batch_size=100) as client:
            client.load_state_dict(state)
            assert numbers(client) == expected[1]
    assert sorted(first) == list(range(IMAGES))
    assert distance(first) == pytest.approx(1, abs=0.06)  # by chance, of so few


def test_the_program_mixes_more_samples_than_a_window_holds(tmp_path):
    length = 300_000  # the windows of `--shuffle block` hold 262,144
    numpy.save(tmp_path / "x.npy", numpy.arange(length))
    with serving(tmp_path / "x.npy", "--shuffle", "block", "--batch-size", 4096, folder=tmp_path) as (_, address):
        with data.connect(address) as client:
            epochs = [numpy.concatenate([x.numpy() for (x,) in client]) for _ in range(2)]
    for epoch in epochs:
        assert numpy.array_equal(numpy.sort(epoch), numpy.arange(length))
        assert distance(epoch) == pytest.approx(1, abs=0.02)
    assert not numpy.array_equal(*epochs)

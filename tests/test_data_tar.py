"""Shards written by Python's tarfile and by the system's tar, in every format of theirs, read back equal."""

import gzip
import io
import os
import shutil
import subprocess
import tarfile

import numpy
import pytest

from rustorch import data

pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the images of these tests")
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
NAMES = ["a.png", "dir/b.PNG", "./dot/c.png", "ünï/ço.png", f"{'d' * 90}/{'e' * 90}.png"]
# longer than 256 bytes, which the oldest format cannot say
LONG = f"{'d' * 90}/{'e' * 90}/{'f' * 120}.png"
needs_tar = pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar program")


def png(value):
    """An image of 4 x 4 pixels of one colour, by which it is known again."""
    picture = io.BytesIO()
    pillow.fromarray(numpy.full((4, 4, 3), value, numpy.uint8)).save(picture, "PNG")
    return picture.getvalue()


def add(archive, name, content, **options):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for option, value in options.items():
        setattr(member, option, value)
    archive.addfile(member, io.BytesIO(content))


def samples(*paths, prefix=""):
    """Colour and label (where there is one) of every sample."""
    pipeline = data.tar(*paths, prefix=prefix).decode(size=4)
    found = []
    for image, *label in pipeline:
        assert (image == image[0, 0, 0]).all()
        found.append((int(image[0, 0, 0]), *map(int, label)))
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_names_of_every_length(tmp_path, kind):
    names = NAMES if kind == "ustar" else [*NAMES, LONG]
    with tarfile.open(tmp_path / "s.tar", "w", format=FORMATS[kind]) as archive:
        for number, name in enumerate(names):
            add(archive, name, png(number), mtime=1.5)
    assert samples(tmp_path / "s.tar") == [(number,) for number in range(len(names))]
    assert samples(tmp_path / "s.tar") == [(number,) for number in range(len(names))]  # from the index
    assert samples(tmp_path / "s.tar", prefix="dir/") == [(1,)]


@pytest.mark.parametrize("kind", FORMATS)
def test_labels_in_members_of_their_own(tmp_path, kind):
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w", format=FORMATS[kind]) as archive:
            for number in range(10 * shard, 10 * shard + 3):
                add(archive, f"train/{number:04}.png", png(number))
                add(archive, f"train/{number:04}.cls", f"{number * 7}\n".encode())
                add(archive, f"train/{number:04}.json", b"{}")
            add(archive, "README", b"words")
    expected = [(number, number * 7) for number in (0, 1, 2, 10, 11, 12)]
    assert samples(tmp_path / "0.tar", tmp_path / "1.tar") == expected


def test_extended_headers_count(tmp_path):
    """The size is said by the extended header alone, among words that mean nothing to us."""
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "of all"}) as archive:
        for number in range(3):
            image = png(number)
            words = {"size": str(len(image)), "SCHILY.xattr.user.mood": "fine", "mtime": "1.25"}
            add(archive, f"{number}.png", image, pax_headers=words)
    shard, at = bytearray(path.read_bytes()), 0
    while shard[at]:
        size = int(shard[at + 124 : at + 135], 8)
        if shard[at + 156 : at + 157] == tarfile.REGTYPE:
            shard[at + 124 : at + 136] = b"00000000000\0"
            shard[at + 148 : at + 156] = b" " * 8
            shard[at + 148 : at + 156] = b"%06o\0 " % sum(shard[at : at + 512])
        at += 512 + -(-size // 512) * 512
    path.write_bytes(shard)
    with tarfile.open(path) as archive:
        assert all(member.size > 50 for member in archive)
    assert samples(path) == [(0,), (1,), (2,)]


def test_longer_endings_count_where_no_other_does(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for number, name in enumerate(["a.v1.png", "b.mask.png", "b.png", "c.5.PNG"]):
            add(archive, name, png(number))
    assert samples(tmp_path / "s.tar") == [(0,), (2,), (3,)]
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        add(archive, "b.left.png", png(0))
        add(archive, "b.right.png", png(1))
    with pytest.raises(NotImplementedError, match=r"s\.tar': sample 'b' has 2 images, and which one is meant"):
        samples(tmp_path / "s.tar")


@pytest.mark.parametrize("ending", ["tar.gz", "tgz"])
def test_gzipped_shards(tmp_path, ending):
    with tarfile.open(tmp_path / f"s.{ending}", "w:gz") as archive:
        for number in range(4):
            add(archive, f"{'cat' if number % 2 else 'dog'}/{number}.png", png(number))
    assert samples(tmp_path / f"s.{ending}") == [(0, 1), (1, 0), (2, 1), (3, 0)]
    # a gzip file may have several parts
    whole = gzip.decompress((tmp_path / f"s.{ending}").read_bytes())
    (tmp_path / f"parts.{ending}").write_bytes(gzip.compress(whole[:700]) + gzip.compress(whole[700:]))
    assert samples(tmp_path / f"parts.{ending}") == [(0, 1), (1, 0), (2, 1), (3, 0)]


@pytest.mark.parametrize("mode", ["bz2", "xz"])
def test_other_compressions_are_named(tmp_path, mode):
    with tarfile.open(tmp_path / "s.tar", f"w:{mode}") as archive:
        for number in range(20):
            add(archive, f"{number}.bin", os.urandom(100))
    with pytest.raises(NotImplementedError, match=r"s\.tar': (bzip2|xz) is not unpacked here"):
        samples(tmp_path / "s.tar")


def test_names_of_another_encoding_are_named(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        add(archive, "ü.png", png(1))
    with pytest.raises(RuntimeError, match=r"s\.tar' is damaged at byte 0: a member's name is not UTF-8"):
        samples(tmp_path / "s.tar")


@pytest.fixture
def tree(tmp_path):
    """A folder with a hard link, a symbolic one, and an empty folder."""
    for name in ("tree/cat", "tree/dog", "tree/none"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tree/cat/0.png").write_bytes(png(10))
    (tmp_path / "tree/dog/2.png").write_bytes(png(30))
    (tmp_path / "tree/dog/notes.txt").symlink_to("2.png")
    return tmp_path / "tree"


def pack(shard, tree, *options):
    subprocess.run(["tar", *options, "-cf", shard, "-C", tree, "cat", "dog", "none"], check=True)
    return shard


@needs_tar
@pytest.mark.parametrize("kind", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_shards_of_the_systems_tar(tmp_path, tree, kind):
    shard = tmp_path / "s.tar"
    assert samples(pack(shard, tree, f"--format={kind}")) == [(10, 0), (30, 1)]
    assert samples(pack(shard, tree, f"--format={kind}", "--blocking-factor=1")) == [(10, 0), (30, 1)]
    os.link(tree / "cat/0.png", tree / "dog/1.png")
    with pytest.raises(NotImplementedError, match=r"s\.tar': 'dog/1\.png' is a link, .* --hard-dereference"):
        samples(pack(shard, tree, f"--format={kind}", "--sort=name"))
    assert samples(pack(shard, tree, f"--format={kind}", "--sort=name", "--hard-dereference")) == [
        (10, 0),
        (10, 1),
        (30, 1),
    ]
    (tree / "cat/3.png").symlink_to("0.png")
    with pytest.raises(NotImplementedError, match=r"s\.tar': 'cat/3\.png' is a link"):
        samples(pack(shard, tree, f"--format={kind}", "--sort=name"))


@needs_tar
@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=posix", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
def test_members_with_holes_are_named(tmp_path, tree, options):
    with open(tree / "cat/0.png", "r+b") as file:
        file.truncate(1 << 20)
    with pytest.raises(NotImplementedError, match=r"s\.tar': 'cat/.*0\.png' has holes, .* without --sparse"):
        samples(pack(tmp_path / "s.tar", tree, "--sparse", *options))


def test_damage_is_named(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "0.png", png(0))
        add(archive, "1.png", png(1))
    whole = path.read_bytes()
    for cut in (100, 600, 1600, 2048):
        path.write_bytes(whole[:cut])
        with pytest.raises(RuntimeError, match=r"s\.tar' is damaged at byte \d+"):
            samples(path)
    with tarfile.open(path, "w"):
        pass
    with pytest.raises(ValueError, match=r"s\.tar' holds no images"):
        samples(path)

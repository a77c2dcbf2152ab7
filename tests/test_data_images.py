"""Images beside Pillow, which writes and reads them: PNG equal, JPEG within the rounding of another decoder."""

import io
import pathlib
import struct
import zlib

import numpy
import pytest

from rustorch import data

pytest.importorskip("PIL", reason="Pillow writes and reads the images of these tests")
from PIL import Image

# Of zune-jpeg beside libjpeg-turbo, measured over all cases below. Both round an inverse transform of their own; where
# colours have half the resolution, they interpolate them with other roundings, too. At the right and lower edges of an
# image whose colours end within a block ours looks one colour sample beyond.
FULL_COLOUR = {"mean": 0.05, "most": 3}
HALF_COLOUR = {"mean": 0.6, "most": 5}
EDGE = 64


def photograph(width, height, seed=0):
    """Waves, a ramp with steps and noise: smooth parts, edges, and something at every frequency."""
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [128 + 100 * numpy.sin(x / 9 + y / 17), 128 + 90 * numpy.cos(x / 13 - y / 7), (x * 3 + y * 5) % 256]
    noise = numpy.random.default_rng(seed).normal(0, 8, (height, width, 3))
    return numpy.clip(numpy.stack(waves, -1) + noise, 0, 255).astype(numpy.uint8)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Reads an encoded image of equal sides; as rows of pixels, as Pillow gives them."""

    def read(content, side, name="a.jpg"):
        path = tmp_path / "class" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        image, label = data.image_folder(tmp_path).decode(size=side)[0]
        path.unlink()
        assert label == 0 and image.shape == (3, side, side)
        return image.transpose(1, 2, 0)

    return read


def pillow(content):
    """As torchvision's loader opens it."""
    return numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def assert_near(ours, theirs, bounds):
    difference = numpy.abs(ours.astype(int) - theirs)
    assert difference.mean() <= bounds["mean"], difference.mean()
    assert difference[:-1, :-1].max(initial=0) <= bounds["most"], difference[:-1, :-1].max()
    assert difference.max() <= EDGE, difference.max()


# ---- JPEG


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("side", [1, 7, 8, 9, 16, 17, 31, 33, 64, 100, 101])
def test_jpeg_of_odd_sizes(read, side, subsampling, progressive):
    content = encoded(Image.fromarray(photograph(side, side)), "JPEG", subsampling=subsampling, progressive=progressive)
    assert_near(read(content, side), pillow(content), FULL_COLOUR if subsampling == "4:4:4" else HALF_COLOUR)


@pytest.mark.parametrize("quality", [5, 50, 75, 95, 100])
def test_jpeg_of_every_quality(read, quality):
    content = encoded(Image.fromarray(photograph(96, 96)), "JPEG", quality=quality)
    assert_near(read(content, 96), pillow(content), HALF_COLOUR)


@pytest.mark.parametrize("options", [{"restart_marker_blocks": 1}, {"restart_marker_rows": 1}, {"optimize": True}])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_with_restart_markers_and_other_tables(read, options, progressive):
    content = encoded(Image.fromarray(photograph(100, 100)), "JPEG", progressive=progressive, subsampling=0, **options)
    assert_near(read(content, 100), pillow(content), FULL_COLOUR)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_of_other_colours(read, mode, progressive):
    image = Image.fromarray(photograph(50, 50)).convert(mode)
    options = {"keep_rgb": True} if mode == "RGB" else {}
    content = encoded(image, "JPEG", progressive=progressive, **options)
    assert Image.open(io.BytesIO(content)).mode == mode
    assert_near(read(content, 50), pillow(content), FULL_COLOUR)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_orientation_is_ignored_as_torchvision_ignores_it(read, orientation):
    notes = Image.Exif()
    notes[0x112] = orientation
    content = encoded(Image.fromarray(photograph(40, 40)), "JPEG", subsampling=0, exif=notes, comment=b"words")
    assert_near(read(content, 40), pillow(content), FULL_COLOUR)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_as_careless_programs_write_it(read, progressive):
    """Padding before markers, bytes between them and after the end, notes that make no sense."""
    content = encoded(Image.fromarray(photograph(40, 40)), "JPEG", subsampling=0, progressive=progressive)
    begin, end, scan = content[:2], content[-2:], content.index(b"\xff\xda")
    variants = [content + more for more in (b"\0" * 100, content, b"\xff\xd9")]
    variants += [content[:-2] + more + end for more in (b"\0", b"\0" * 50, b"\x12\x34\x56", b"\xff\xff")]
    variants += [content[:scan] + more + content[scan:] for more in (b"\0", b"\xff\xff", b"\xff\xfe\0\5abc")]
    variants += [begin + notes + content[2:] for notes in (b"\xff\xef\0\5abc", b"\xff\xe1\0\x08Exif\0\0")]
    for variant in variants:
        assert_near(read(variant, 40), pillow(variant), FULL_COLOUR)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_was_cut_is_refused_as_pillow_refuses_it(read, progressive):
    """Both want the end marker: without it nobody knows whether all pixels are there."""
    content = encoded(Image.fromarray(photograph(40, 40)), "JPEG", progressive=progressive)
    for missing in (1, 2, 3, 20, 200):
        with pytest.raises(OSError, match="(?i)truncated"):
            pillow(content[:-missing])
        with pytest.raises(RuntimeError, match=r"a\.jpg' is damaged at byte 0: it ends before its end marker"):
            read(content[:-missing], 40)


# ---- PNG


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("side", [1, 7, 32])
def test_png_of_every_mode(read, mode, side):
    image = Image.fromarray(photograph(side, side)).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(photograph(side, side)[:, :, 0]))
    content = encoded(image, "PNG")
    assert numpy.array_equal(read(content, side, "a.png"), pillow(content))


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palettes(read, bits):
    image = Image.fromarray(photograph(33, 33)).quantize(2**bits)
    for options in ({}, {"transparency": 1}, {"transparency": bytes(range(2**bits))}):
        content = encoded(image, "PNG", bits=bits, **options)
        assert numpy.array_equal(read(content, 33, "a.png"), pillow(content))


@pytest.mark.parametrize("mode, colour", [("L", 128), ("RGB", (128, 128, 0))])
def test_png_with_a_transparent_colour(read, mode, colour):
    content = encoded(Image.fromarray(photograph(33, 33)).convert(mode), "PNG", transparency=colour)
    assert numpy.array_equal(read(content, 33, "a.png"), pillow(content))


def test_animated_png_gives_its_first_picture(read):
    first, second = (Image.fromarray(photograph(20, 20, seed)) for seed in range(2))
    content = encoded(first, "PNG", save_all=True, append_images=[second])
    assert numpy.array_equal(read(content, 20, "a.png"), numpy.asarray(first))


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, bits, colour, interlaced=False):
    """What Pillow cannot write: 16 bits of colour, and interlacing. ``bits`` is 8 or 16."""
    height, width = pixels.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x, y, across, down in passes if interlaced else [(0, 0, 1, 1)]:
        part = pixels[y::down, x::across].astype(">u2" if bits == 16 else "u1")
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


COLOURS = {"grey": (0, 1), "rgb": (2, 3), "grey_alpha": (4, 2), "rgba": (6, 4)}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("side", [1, 3, 9, 32])
def test_png_of_16_bits_and_interlaced(read, colour, bits, interlaced, side):
    code, channels = COLOURS[colour]
    pixels = numpy.random.default_rng(side).integers(0, 2**bits, (side, side, channels))
    content = png(pixels, bits, code, interlaced)
    ours = read(content, side, "a.png")
    high = (pixels >> (bits - 8)).astype(numpy.uint8)
    assert numpy.array_equal(ours, numpy.broadcast_to(high[:, :, : 3 if channels > 2 else 1], (side, side, 3)))
    # Pillow cuts 16 bits of grey off at 255, where it and we take the upper byte of every other kind
    if (colour, bits) != ("grey", 16):
        assert numpy.array_equal(ours, pillow(content))


# ---- names, sizes, folders


def test_the_content_counts_and_not_the_ending(read):
    image = Image.fromarray(photograph(20, 20))
    assert numpy.array_equal(read(encoded(image, "PNG"), 20, "a.jpg"), numpy.asarray(image))
    content = encoded(image, "JPEG", subsampling=0)
    assert_near(read(content, 20, "a.png"), pillow(content), FULL_COLOUR)
    for kind in ("GIF", "BMP", "WEBP"):
        with pytest.raises(RuntimeError, match=r"a\.jpg' is damaged at byte 0: it is neither a JPEG nor a PNG image"):
            read(encoded(image, kind), 20)


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (200, 50), (31, 33)])
@pytest.mark.parametrize("side", [8, 24, 32, 80])
def test_scaling_is_pillows_bilinear_filter(tmp_path, size, side):
    width, height = size
    image = Image.fromarray(photograph(width, height))
    (tmp_path / "class").mkdir()
    image.save(tmp_path / "class" / "a.png")
    short = min(size)
    left, top = (width - short) / 2, (height - short) / 2
    middle = (left, top, left + short, top + short)
    for fit, box in (("cover", middle), ("stretch", None)):
        ours = data.image_folder(tmp_path).decode(side, fit)[0][0].transpose(1, 2, 0)
        theirs = numpy.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box))
        assert numpy.abs(ours.astype(int) - theirs).max() <= 1


def test_a_folder_has_torchvisions_classes_and_order(tmp_path):
    """``os.walk`` with links followed, folders and names sorted: what torchvision's ``make_dataset`` does."""
    names = ["b/2.png", "b/10.png", "b/A.PNG", "b/in/0.png", "B/x.jpg", "a/x.jpeg", "a/z/deep/er.png", "a/b.png"]
    for number, name in enumerate(names):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 20,) * 3).save(path)
    (tmp_path / "all/a/notes.txt").write_text("none")
    (tmp_path / "all/c").symlink_to(tmp_path / "all/b/in")
    pipeline = data.image_folder(tmp_path / "all").decode(size=8)
    classes = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert classes == ["B", "a", "b", "c"]
    expected = []
    for label, name in enumerate(classes):
        folder = tmp_path / "all" / name
        files = sorted(folder.rglob("*"), key=lambda path: (str(path.parent), path.name))
        images = [path for path in files if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        expected += [(int(numpy.asarray(Image.open(path))[0, 0, 0]), label) for path in images]
    assert len(expected) == 9
    assert [(round(float(image.mean())), int(label)) for image, label in pipeline] == expected


def test_the_real_photographs(tmp_path):
    folders = [above / "shared" / "data" / "images" for above in pathlib.Path(__file__).resolve().parents]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        pytest.skip("no shared/data/images beside the repository")
    pictures = [path for path in sorted(found[0].iterdir()) if path.suffix in (".jpg", ".png")]
    assert pictures
    for path in pictures:
        (tmp_path / path.stem / "class").mkdir(parents=True)
        (tmp_path / path.stem / "class" / path.name).symlink_to(path)
        image = Image.open(path).convert("RGB")
        ours = data.image_folder(tmp_path / path.stem).decode(160, "stretch")[0][0].transpose(1, 2, 0)
        theirs = numpy.asarray(image.resize((160, 160), Image.Resampling.BILINEAR))
        assert numpy.abs(ours.astype(int) - theirs).max() <= 3

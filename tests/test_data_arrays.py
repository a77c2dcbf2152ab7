"""Arrays and tokens as their own libraries write them, read back equal: npy by NumPy, IDX, files of tokens."""

import gzip
import pathlib
import struct

import numpy
import pytest

from rustorch import data

TYPES = ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16"]
DIGITS = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


def whole(pipeline):
    """All samples of a source, as one array a field."""
    with pipeline.batch(max(1, len(pipeline))) as batches:
        (fields,) = list(batches)
    return [field.numpy() for field in fields]


def save(path, array, version=None):
    with open(path, "wb") as file:
        numpy.lib.format.write_array(file, array, version=version)
    return data.npy(path)


def assert_same(read, written):
    native = written.astype(written.dtype.newbyteorder("="))
    assert (read.dtype, read.shape) == (native.dtype, native.shape)
    assert read.tobytes() == native.tobytes()  # the bits of every NaN too


# ---- npy


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("element", TYPES)
def test_npy_of_every_element_type_and_byte_order(tmp_path, element, order):
    dtype = numpy.dtype(element).newbyteorder(order)
    top = 2 if element == "b1" else 256
    noise = numpy.random.default_rng(0).integers(0, top, 7 * 6 * dtype.itemsize, dtype=numpy.uint8)
    array = numpy.frombuffer(noise.tobytes(), dtype).reshape(7, 3, 2)
    assert_same(*whole(save(tmp_path / "x.npy", array)), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_of_every_version(tmp_path, version):
    array = numpy.arange(12.0).reshape(4, 3)
    assert_same(*whole(save(tmp_path / "x.npy", array, version)), array)


def test_npy_of_other_layouts(tmp_path):
    array = numpy.arange(24.0).reshape(4, 6)
    # NumPy says "Fortran order" of these too, whose rows lie together all the same
    for same in (array[:, ::2], array[:, :1].copy(order="F"), array[:1].copy(order="F"), array[0].copy(order="F")):
        assert_same(*whole(save(tmp_path / "x.npy", same)), same)
    grown = numpy.lib.format.open_memmap(tmp_path / "m.npy", mode="w+", dtype="f4", shape=(5, 3))
    grown[:] = numpy.arange(15).reshape(5, 3)
    grown.flush()
    assert_same(*whole(data.npy(tmp_path / "m.npy")), numpy.asarray(grown))


def test_npy_without_elements(tmp_path):
    no_columns = numpy.zeros((5, 0), numpy.float32)
    assert_same(*whole(save(tmp_path / "x.npy", no_columns)), no_columns)
    for shape in ((0,), (0, 3)):
        none = save(tmp_path / "x.npy", numpy.zeros(shape))
        assert len(none) == 0
        with none.batch(4) as batches:
            assert list(batches) == [] and list(batches) == []


REFUSED = {
    "fortran": (
        numpy.arange(12.0).reshape(4, 3).copy(order="F"),
        "an array in Fortran order .* save numpy.ascontiguousarray",
    ),
    "scalar": (numpy.array(3.0), "an array without dimensions has no samples"),
    "structured": (numpy.zeros(3, [("a", "<f4"), ("b", "<i8")]), "structured elements are not read; save each field"),
    "structured_unicode": (numpy.zeros(3, [("ä", "<f4")]), "structured elements are not read"),
    "bytes": (numpy.array([b"ab", b"c"]), r"elements of type \"\|S2\" are not read"),
    "text": (numpy.array(["ab", "c"]), r"elements of type \"<U2\" are not read"),
    "dates": (numpy.array(["2020-01-01"], "M8[D]"), r"elements of type \"<M8\[D\]\" are not read"),
    "objects": (numpy.array([None, {}]), r"elements of type \"\|O\" are not read"),
    "void": (numpy.zeros(3, "V4"), r"elements of type \"\|V4\" are not read"),
    "long_double": (numpy.zeros(3, numpy.longdouble), r"elements of type \"<f16\" are not read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_npy_that_is_not_read_says_so(tmp_path, name):
    array, words = REFUSED[name]
    with pytest.raises(NotImplementedError, match=rf"{name}\.npy': {words}"):
        len(save(tmp_path / f"{name}.npy", array))


def test_npy_of_more_dimensions_than_a_batch_has(tmp_path):
    with pytest.raises(ValueError, match="at most 16 dimensions"):
        whole(save(tmp_path / "x.npy", numpy.zeros((2,) + (1,) * 20)))


# ---- IDX

IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def idx_bytes(array, code):
    """As the page of MNIST describes it: two zeros, element type, dimensions, sizes, data; all big-endian."""
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
        + array.astype(IDX_TYPES[code]).tobytes()
    )


@pytest.mark.parametrize("code", IDX_TYPES)
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_of_every_element_type(tmp_path, code, zipped):
    array = numpy.random.default_rng(code).integers(-100, 100, (6, 4, 3)).astype(IDX_TYPES[code])
    path = tmp_path / ("x-idx3-ubyte.gz" if zipped else "x-idx3-ubyte")
    path.write_bytes(gzip.compress(idx_bytes(array, code)) if zipped else idx_bytes(array, code))
    pipeline = data.idx(path)
    assert [name for name, _, _ in pipeline.fields] == ["x-idx3-ubyte"]
    assert_same(*whole(pipeline), array)


def test_the_real_digits():
    folders = [above / "shared" / "data" / "mnist" for above in pathlib.Path(__file__).resolve().parents]
    found = [[folder / name for name in DIGITS] for folder in folders if folder.is_dir()]
    if not found:
        pytest.skip("no shared/data/mnist beside the repository")
    paths = found[0]
    images, labels = (numpy.frombuffer(gzip.decompress(path.read_bytes()), numpy.uint8) for path in paths)
    read_images, read_labels = whole(data.idx(*paths))
    assert_same(read_images, images[16:].reshape(10_000, 28, 28))
    assert_same(read_labels, labels[8:])


# ---- tokens


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
@pytest.mark.parametrize("window, stride", [(8, None), (8, 1), (5, 3), (99, 200)])
def test_tokens_written_by_tofile(tmp_path, dtype, window, stride):
    tokens = numpy.random.default_rng(1).integers(0, numpy.iinfo(dtype).max, 200, dtype)
    tokens.tofile(tmp_path / "t.bin")
    read, targets = whole(data.tokens(tmp_path / "t.bin", window, stride, dtype))
    starts = range(0, len(tokens) - window, stride or window)
    assert_same(read, numpy.stack([tokens[at : at + window] for at in starts]).astype(numpy.int64))
    assert_same(targets, numpy.stack([tokens[at + 1 : at + window + 1] for at in starts]).astype(numpy.int64))

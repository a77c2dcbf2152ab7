"""No file, however damaged or hostile, runs code or takes more memory than it has bytes for."""

import io
import os
import pathlib
import pickle
import random
import struct
import time
import tracemalloc
import zipfile

import pytest

import rustorch as torch
from rustorch.serialization import UnpicklingError, load, save

FILES = pathlib.Path(__file__).parent / "files"
FLOATS = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
# A storage of four floats, under which the records of `archive` lie.


def archive(
    pickled: bytes, records: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr("archive/data.pkl", pickled)
        for name, data in (records if records is not None else {"data/0": bytes(16)}).items():
            out.writestr(f"archive/{name}", data)
        out.writestr("archive/version", b"3\n")
    file.seek(0)
    return file


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def tensor(
    storage: bytes = FLOATS, offset: bytes = b"K\x00", size: bytes = b"K\x04\x85", stride: bytes = b"K\x01\x85"
) -> bytes:
    """A pickle of one tensor, of the pieces given."""
    rebuild = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
    return rebuild + storage + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR."


def refused(file: io.BytesIO, match: str) -> None:
    with pytest.raises(UnpicklingError, match=match):
        load(file)


def test_the_pieces_make_a_tensor() -> None:
    assert load(archive(tensor())).tolist() == [0, 0, 0, 0]


# ---- names


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments) -> None:
        self.reduction = (function, arguments)

    def __reduce__(self):
        return self.reduction


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_call_is_named_and_never_made(tmp_path, protocol: int) -> None:
    marker = tmp_path / "ran"
    calls = [
        (Call(os.system, f"touch {marker}"), "posix.system"),
        (Call(eval, f"open({str(marker)!r}, 'w')"), "builtins.eval"),
        (Call(pathlib.Path.touch, marker), r"(builtins\.getattr|pathlib\.)"),
        (Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {marker}"))), r"c?_?[pP]ickle\.loads"),
        (Call(getattr, dict, "fromkeys"), "builtins.getattr"),
    ]
    for value, name in calls:
        pickled = pickle.dumps([1, value], protocol)
        for file in (archive(pickled), io.BytesIO(pickled)):
            with pytest.raises(UnpicklingError, match=f"Unsupported global: GLOBAL {name}"):
                load(file)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("os system", "torch.storage _load_from_bytes", "torch hub.load", "torch._utils __builtins__", "torch load"),
        *("builtins __import__", "collections namedtuple", "numpy load", "numpy.core.multiarray fromfile", "torch nn"),
        *("torch._utils _rebuild_tensor_v2.__globals__", "torch Tensor.__init__", "__builtin__ exec", " ", "torch "),
    ],
)
def test_names_outside_the_list(name: str) -> None:
    module, _, qualified = name.partition(" ")
    refused(archive(f"\x80\x02c{module}\n{qualified}\n.".encode("latin-1")), "Unsupported global|damaged")
    stack_global = b"\x80\x04" + text(module) + text(qualified) + b"\x93."
    refused(archive(stack_global), "Unsupported global|damaged")


def test_only_functions_of_the_list_are_called() -> None:
    for function in (b"ctorch\nTensor\n", b"cbuiltins\nint\n", b"ctorch\nFloatStorage\n", b"K\x01", b"]", text("os")):
        refused(archive(b"\x80\x02" + function + b"K\x01\x85R."), "Trying to call reduce for unrecognized function")
        refused(archive(b"\x80\x02" + function + b"K\x01\x85\x81."), "Trying to call reduce for unrecognized function")


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(K\x01ibuiltins\nset\n",
        b"(cbuiltins\nset\no",
        b"\x82\x01",
        b"Pkey\n",
        b"\x97",
        b"2",
        b"I1\n",
        b"]K\x01K\x01\x92",
    ],
)
def test_opcodes_outside_the_list(opcodes: bytes) -> None:
    refused(archive(b"\x80\x02" + opcodes + b"."), "Unsupported operand|damaged")


def test_no_attribute_is_put_over_a_method() -> None:
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R}" + text("items") + b"K\x01sb."
    refused(archive(ordered), "OrderedDict with the attributes")
    named = b"\x80\x02ctorch._utils\n_rebuild_parameter_with_state\n(" + tensor()[2:-1]
    refused(archive(named + b"\x89N}" + text("backward") + b"K\x01stR."), "attribute 'backward' is not loaded")


# ---- claims


@pytest.mark.parametrize(
    "pieces",
    [
        {"size": b"K\x05\x85"},
        {"offset": b"K\x01"},
        {"offset": b"J\xff\xff\xff\xff"},
        {"size": b"J\xff\xff\xff\xff\x85"},
        {"stride": b"J\xff\xff\xff\xff\x85"},
        {"stride": b"K\x02\x85"},
        {"size": b"K\x02K\x02\x86", "stride": b"K\x04K\x01\x86"},
        {"size": b"K\x04\x85", "stride": b")"},
        {"size": b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85"},
        {"size": b"\x8a\x09" + b"\xff" * 8 + b"\x00\x85", "stride": b"K\x00\x85"},
        {"size": b"G" + bytes(8) + b"\x85"},
        {"size": b"N", "stride": b"N"},
        {"offset": b"K\x05", "size": b"K\x00\x85"},
        {"storage": b"N"},
        {"storage": FLOATS.replace(b"K\x04t", b"K\x05t")},
        {"storage": FLOATS.replace(b"K\x04t", b"J\xff\xff\xff\xfft")},
        {"storage": FLOATS.replace(b"K\x04t", b"\x8a\x08" + b"\xff" * 7 + b"\x7ft")},
        {"storage": FLOATS.replace(b"FloatStorage", b"DoubleStorage")},
        {"storage": FLOATS.replace(b"storage", b"storagf", 1)},
        {"storage": b"K\x01Q"},
    ],
)
def test_a_tensor_that_its_storage_does_not_hold(pieces: dict[str, bytes]) -> None:
    refused(archive(tensor(**pieces)), "damaged|Unknown saved id type")


def test_storages_are_not_allocated_before_the_file_has_their_bytes() -> None:
    magic, version, system = (pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    huge = FLOATS.replace(b"K\x04t", b"\x8a\x06" + b"\xff" * 5 + b"\x00Nt")
    legacy = magic + version + system + tensor(storage=huge) + pickle.dumps(["0"], 2)
    refused(io.BytesIO(legacy + struct.pack("<q", 2**40 - 1)), "claims .* bytes")


def test_records_that_overlap_are_refused() -> None:
    data = archive(tensor(), {"data/0": bytes(1 << 16)}).getvalue()
    with zipfile.ZipFile(io.BytesIO(data)) as out:
        directory = data[out.start_dir : data.rindex(b"PK\x05\x06")]
        entries = len(out.infolist())
    many = 200
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, entries * many, entries * many, len(directory) * many, out.start_dir, 0
    )
    with pytest.raises(RuntimeError, match="claim more bytes than the file has|reading zip archive"):
        load(io.BytesIO(data[: out.start_dir] + directory * many + end))


def test_compressed_records_are_refused() -> None:
    bomb = archive(tensor(), {"data/0": bytes(1 << 22)}, zipfile.ZIP_DEFLATED)
    with pytest.raises((UnpicklingError, RuntimeError), match="compressed|claim more bytes"):
        load(bomb)


def test_values_that_would_allocate_by_their_number() -> None:
    number = b"\x8a\x06" + b"\xff" * 5 + b"\x00"
    for name in (b"bytearray", b"bytes", b"list", b"set"):
        refused(archive(b"\x80\x02cbuiltins\n" + name + b"\n" + number + b"\x85R."), "not loaded|damaged|call reduce")
    refused(archive(b"\x80\x02cnumpy\ndtype\n" + text("V999999999") + b"\x85R."), "dtype 'V999999999' is not loaded")
    refused(archive(b"\x80\x02cnumpy\ndtype\n" + text("O") + b"\x85R."), "dtype 'O' is not loaded")
    for length in (
        b"\x8b" + b"\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff",
        b"\x8e" + b"\xff" * 7 + b"\x0f",
        b"X\xff\xff\xff\xff",
    ):
        refused(archive(b"\x80\x04" + length + b"."), "damaged")


def test_shared_parts_are_never_walked() -> None:
    # Each level holds the one below it twice: 2^60 leaves in 600 bytes.
    doubling = lambda pair: b"\x80\x02K\x01q\x00" + b"".join(b"h%ch%c%sq%c" % (i, i, pair, i + 1) for i in range(60))
    start = time.monotonic()
    assert len(load(archive(doubling(b"\x86") + b"."))) == 2
    refused(archive(b"\x80\x02}(" + doubling(b"\x86")[2:] + b"K\x01u."), "as the key of a dict")
    refused(archive(b"\x80\x02cbuiltins\nset\n](" + doubling(b"\x86")[2:] + b"e\x85R."), "as the key of a dict")
    assert time.monotonic() - start < 5


def test_deep_nesting_is_read_and_dropped() -> None:
    depth = 200_000
    value = load(archive(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."))
    levels = 1
    while value:
        value = value[0]
        levels += 1
    assert levels == depth
    load(archive(b"\x80\x02)" + b"\x85" * depth + b"."))
    load(archive(b"\x80\x02" + (b"}" + text("k")) * depth + b"N" + b"s" * depth + b"."))


@pytest.mark.parametrize(
    "opcodes",
    [b"", b".", b"0", b"1", b"t", b"\x85", b"a", b"s", b"u", b"e", b"R", b"b", b"Q", b"h\x05", b"]s", b"(K\x01u"],
)
def test_opcodes_that_find_nothing_on_the_stack(opcodes: bytes) -> None:
    refused(archive(b"\x80\x02" + opcodes + b"."), "damaged")


# ---- damage


def _loads_or_refuses(data: bytes) -> bool:
    try:
        load(io.BytesIO(data))
    except (UnpicklingError, RuntimeError, EOFError):
        return False
    return True


@pytest.mark.parametrize("name", ["pytorch_zip.pt", "pytorch_legacy.pt"])
def test_every_truncation_is_refused(name: str) -> None:
    data = (FILES / name).read_bytes()
    assert _loads_or_refuses(data)
    for end in {*range(0, len(data), 37), *range(len(data) - 40, len(data))}:
        assert not _loads_or_refuses(data[:end]), end


@pytest.mark.parametrize("name", ["pytorch_zip.pt", "pytorch_legacy.pt"])
def test_flipped_bytes_never_lead_astray(name: str) -> None:
    data = (FILES / name).read_bytes()
    rng = random.Random(0)
    tracemalloc.start()
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        _loads_or_refuses(bytes(damaged))
        _, peak = tracemalloc.get_traced_memory()
        assert peak - before < 1 << 20
    tracemalloc.stop()


def test_flipped_bytes_in_pickles_never_lead_astray() -> None:
    with zipfile.ZipFile(FILES / "pytorch_zip.pt") as original:
        records = {info.filename.partition("/")[2]: original.read(info) for info in original.infolist()}
    pickled = records.pop("data.pkl")
    records.pop("version")
    rng = random.Random(1)
    loaded = 0
    for _ in range(600):
        damaged = bytearray(pickled)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        loaded += _loads_or_refuses(archive(bytes(damaged), records).getvalue())
    assert 0 < loaded < 600  # a digit in a name or number passes, most damage does not


def test_saved_files_survive_damage_too(tmp_path) -> None:
    save({"a": torch.arange(8.0), "b": ["text", 1]}, tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    for at in range(0, len(data), 3):
        _loads_or_refuses(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])

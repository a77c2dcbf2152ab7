"""save and load: PyTorch's files both ways. The files in ``files/`` were written by PyTorch 2.13."""

import collections
import io
import os
import pathlib
import pickletools
import zipfile

import pytest

import rustorch as torch
from rustorch.serialization import PicklingError, load, save

FILES = pathlib.Path(__file__).parent / "files"
CHECKPOINTS = pathlib.Path(os.environ.get("RUSTORCH_CHECKPOINTS", "../shared/data/checkpoints"))


def saved(value: object) -> io.BytesIO:
    file = io.BytesIO()
    save(value, file)
    file.seek(0)
    return file


def round_trip(value):
    return load(saved(value))


def shares_memory(a, b) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


# ---- files of PyTorch


@pytest.mark.parametrize("name", ["pytorch_zip.pt", "pytorch_legacy.pt"])
def test_a_file_of_pytorch_is_read(name: str) -> None:
    checkpoint = load(FILES / name)
    assert type(checkpoint) is collections.OrderedDict
    model = checkpoint["model"]
    assert type(model) is collections.OrderedDict
    assert model._metadata == {"": {"version": 1}}
    assert model["weight"].tolist() == [[-0.5, 0.5, 1.5], [2.5, 3.5, 4.5]]
    assert model["bias"].tolist() == [-1.5, -2.5]
    assert checkpoint["optimizer"]["param_groups"][0]["momentum"] == 0.9
    assert checkpoint["optimizer"]["state"][0]["momentum_buffer"].tolist() == [[1.0] * 3] * 2
    assert checkpoint["base"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    view = checkpoint["view"]
    assert (view.size(), view.stride(), view.storage_offset()) == ((3, 3), (1, 4), 1)
    assert view.tolist() == [[1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert shares_memory(view, checkpoint["base"])
    assert type(checkpoint["parameter"]) is torch.nn.Parameter
    assert checkpoint["parameter"].requires_grad
    assert checkpoint["bfloat16"].dtype == torch.bfloat16
    assert checkpoint["bfloat16"].tolist() == [1.5, -2.0]
    assert checkpoint["complex64"].tolist() == [1 + 2j]
    assert checkpoint["uint16"].tolist() == [1, 65535]
    assert checkpoint["boolean"].tolist() == [True, False]
    assert checkpoint["scalar"].item() == 7
    assert checkpoint["empty"].size() == (0, 3)
    assert checkpoint["expanded"].stride() == (0,)
    assert type(checkpoint["size"]) is torch.Size
    assert checkpoint["device"] == torch.device("cpu")
    assert checkpoint["dtype"] is torch.float16
    assert checkpoint["numbers"] == (1, -300, 2**40, 2.5, 3 + 4j, True, None)
    assert (checkpoint["text"], checkpoint["raw"], checkpoint["unique"]) == ("naïve", b"\x00\xff", {1, 2})


@pytest.mark.skipif(not CHECKPOINTS.is_dir(), reason="no folder of published checkpoints: set RUSTORCH_CHECKPOINTS")
def test_published_checkpoints_are_read() -> None:
    for path in sorted(CHECKPOINTS.iterdir()):
        value = load(path)
        tensors = list(value.values()) if isinstance(value, dict) else [value]
        assert tensors, path
        assert all(isinstance(tensor, torch.Tensor) and tensor.numel() for tensor in tensors), path


def test_pytorch_reads_what_is_saved(tmp_path) -> None:
    pytorch = pytest.importorskip("torch", reason="PyTorch is not installed beside rustorch")
    base = torch.arange(12.0).reshape(3, 4)
    value = {"base": base, "view": base.t()[1:], "raw": b"\x00\xff", "unique": {1}, "size": torch.Size([2])}
    save(value, tmp_path / "ours.pt")
    other = pytorch.load(tmp_path / "ours.pt", weights_only=True)
    assert other["view"].tolist() == value["view"].tolist()
    assert other["view"].untyped_storage().data_ptr() == other["base"].untyped_storage().data_ptr()
    assert (other["raw"], other["unique"], other["size"]) == (b"\x00\xff", {1}, pytorch.Size([2]))


# ---- the format


def test_records_and_their_alignment(tmp_path) -> None:
    path = tmp_path / "model.pt"
    save({"a": torch.ones(3), "b": torch.ones(5, dtype=torch.int64)}, path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert names[0] == "model/data.pkl"
        assert set(names) == {
            "model/" + record
            for record in (
                *("data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version"),
                ".data/serialization_id",
            )
        }
        assert archive.testzip() is None
        assert archive.read("model/version") == b"3\n"
        assert archive.read("model/byteorder") == b"little"
        assert len(archive.read("model/.data/serialization_id")) == 40
        raw = path.read_bytes()
        for info in archive.infolist():
            header = raw[info.header_offset : info.header_offset + 30]
            start = info.header_offset + 30 + int.from_bytes(header[26:28], "little")
            start += int.from_bytes(header[28:30], "little")
            assert start % 64 == 0, info.filename
            assert raw[start : start + info.file_size] == archive.read(info)


def test_the_pickle_is_of_protocol_2_and_names_only_pytorch_s_globals() -> None:
    model = {"weight": torch.nn.Parameter(torch.ones(2)), "half": torch.ones(2, dtype=torch.float16)}
    with zipfile.ZipFile(saved(model)) as archive:
        opcodes = list(pickletools.genops(archive.read("archive/data.pkl")))
    assert max(opcode.proto for opcode, _, _ in opcodes) == 2
    assert {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"} == {
        *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "collections OrderedDict"),
        *("torch FloatStorage", "torch HalfStorage"),
    }


def test_equal_values_give_equal_files() -> None:
    value = {"a": torch.arange(4), "b": [1, 2]}
    assert saved(value).getvalue() == saved(value).getvalue()
    assert saved(value).getvalue() != saved({"a": torch.arange(4), "b": [1, 3]}).getvalue()


# ---- round trips

_DTYPES = (
    *("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)


@pytest.mark.parametrize("name", _DTYPES)
def test_every_dtype(name: str) -> None:
    tensor = torch.tensor([0, 1, 1], dtype=getattr(torch, name))
    again = round_trip(tensor)
    assert again.dtype is tensor.dtype
    assert again.tolist() == tensor.tolist()


def test_views_share_their_storage_again() -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    views = [base, base[1], base.permute(2, 0, 1)[1:], base.flatten()[5:17:3], base[:, :0]]
    again = round_trip(views)
    for view, loaded in zip(views, again, strict=True):
        assert (loaded.size(), loaded.stride(), loaded.storage_offset()) == (
            view.size(),
            view.stride(),
            view.storage_offset(),
        )
        assert loaded.tolist() == view.tolist()
        assert shares_memory(loaded, again[0])
    again[0].fill_(7)
    assert again[2][0, 0, 0].item() == 7


def test_one_tensor_met_twice_is_one_tensor() -> None:
    tensor = torch.ones(2)
    first, second = round_trip([tensor, tensor])
    assert first is second


def test_requires_grad_and_parameters() -> None:
    leaf = torch.ones(2, requires_grad=True)
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    again = round_trip([leaf, frozen, torch.ones(2)])
    assert [tensor.requires_grad for tensor in again] == [True, False, False]
    assert [type(tensor) is torch.nn.Parameter for tensor in again] == [False, True, False]


def test_attributes_of_tensors() -> None:
    tensor, parameter = torch.ones(2), torch.nn.Parameter(torch.ones(2))
    tensor.tag = "plain"
    parameter.tag = ["own"]
    tensor, parameter = round_trip([tensor, parameter])
    assert (tensor.tag, parameter.tag) == ("plain", ["own"])
    assert type(parameter) is torch.nn.Parameter


def test_containers_and_numbers() -> None:
    value = {
        "list": [1, [2, (3,)], ()],
        "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, {1: [2]}),
        "sets": [{1, "two"}, frozenset([3]), set()],
        "bytes": [b"", b"\x00\xff", bytearray(b"xy"), bytearray()],
        "numbers": [0, -1, 255, 256, 65536, -(2**31), 2**31, 2**100, -(2**63), 1.5, float("inf"), 1j, True, None],
        "text": ["", "naïve \U0001f600", "lone \ud800"],
        "torch": [torch.Size([1, 2]), torch.device("cpu"), torch.int8],
        ("key", 1): "tuple key",
        None: "none key",
        "many": list(range(2_500)),
    }
    again = round_trip(value)
    assert again == value
    assert [type(part) for part in again.values()] == [type(part) for part in value.values()]
    assert again["default"][5] == []
    assert type(again["torch"][0]) is torch.Size


def test_numpy_s_numbers_and_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    value = [numpy.float64(2.5), numpy.int32(-4), numpy.bool_(True), numpy.dtype(">f4"), numpy.str_("text")]
    assert round_trip(value) == value
    assert [type(part) for part in round_trip(value)] == [type(part) for part in value]
    arrays = [numpy.arange(6.0).reshape(2, 3).T, numpy.arange(3, dtype=">i4"), numpy.array(5), numpy.zeros((0, 2))]
    for array, again in zip(arrays, round_trip(arrays), strict=True):
        assert again.dtype == array.dtype.newbyteorder("=")
        assert again.shape == array.shape
        assert (again == array).all()
    assert numpy.dtype("f4").isnative


def test_containers_that_hold_themselves() -> None:
    loop: list = [1]
    loop.append(loop)
    assert (again := round_trip(loop))[1] is again
    ring: tuple = ([],)
    ring[0].append(ring)
    assert (again := round_trip(ring))[0][0] is again
    table: dict = {}
    table["self"] = table
    assert (again := round_trip(table))["self"] is again


def test_a_module_s_state_dict_keeps_its_versions() -> None:
    state = collections.OrderedDict(weight=torch.ones(2))
    state._metadata = collections.OrderedDict({"": {"version": 2}})
    assert round_trip(state)._metadata == {"": {"version": 2}}


# ---- what is not saved


def test_what_could_not_be_loaded_is_not_saved(tmp_path) -> None:
    class Own:
        pass

    path = tmp_path / "kept.pt"
    path.write_bytes(b"before")
    for value in (Own(), [Own], {"f": len}, {"hidden": {"deep": lambda: 0}}):
        with pytest.raises(PicklingError, match="Can't save an object of the class"):
            save(value, path)
    assert path.read_bytes() == b"before"


def test_one_storage_under_two_dtypes_is_refused() -> None:
    tensor = torch.zeros(4)
    with pytest.raises(PicklingError, match="view the same data as different types"):
        saved([tensor, tensor.view(torch.int32)])


def test_arguments_of_save() -> None:
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object with a 'write'"):
        save(1, object())
    with pytest.raises(NotImplementedError, match=r"rustorch\.save"):
        save(1, io.BytesIO(), pickle_protocol=4)


# ---- arguments of load


def test_map_location() -> None:
    file = saved([torch.arange(3), torch.ones(2)])
    seen = []

    def keep(storage, location):
        seen.append((storage.nbytes(), location))
        return storage

    for location in (None, "cpu", torch.device("cpu"), {"cuda:0": "cpu"}, keep, lambda storage, location: None):
        file.seek(0)
        assert load(file, map_location=location)[0].tolist() == [0, 1, 2]
    assert seen == [(24, "cpu"), (8, "cpu")]
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"don't know how to restore data location of .* \(tagged with abacus\)"):
        load(file, map_location="abacus")


def test_mmap_leaves_the_file_as_it_is(tmp_path) -> None:
    path = tmp_path / "mapped.pt"
    save({"a": torch.arange(5.0), "empty": torch.empty(0)}, path)
    before = path.read_bytes()
    value = load(path, mmap=True)
    assert value["a"].tolist() == [0, 1, 2, 3, 4]
    value["a"].fill_(9)
    assert value["a"].tolist() == [9] * 5
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        load(saved(1), mmap=True)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        load(FILES / "pytorch_legacy.pt", mmap=True)


def test_weights_only_makes_no_difference() -> None:
    for choice in (None, True, False):
        assert load(saved([1, 2]), weights_only=choice) == [1, 2]


def test_legacy_values_follow_each_other_in_one_file() -> None:
    data = (FILES / "pytorch_legacy.pt").read_bytes()
    file = io.BytesIO(data + data)
    assert load(file)["text"] == load(file)["text"]


def test_refusals_of_load() -> None:
    with pytest.raises(EOFError, match="Ran out of input"):
        load(io.BytesIO())
    with pytest.raises(RuntimeError, match=r"Invalid magic number; corrupt file\?"):
        load(io.BytesIO(b"\x80\x02K\x01."))
    with pytest.raises(RuntimeError, match="explicit pickle_module is specified"):
        load(saved(1), pickle_module=io)
    with pytest.raises(FileNotFoundError):
        load("no/such/file.pt")
    with pytest.raises(AttributeError, match="pre-load the data into a buffer"):
        load(object())

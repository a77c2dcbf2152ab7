"""All dtypes: created, cast, indexed and printed; dtype and device objects; promotion; the default dtype."""

import pickle

import pytest

import rustorch as torch

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
WIDE_UNSIGNED = ["uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
ALL = ["bool", *INTEGERS, *WIDE_UNSIGNED, *FLOATS, *COMPLEX]


def dtype_of(name):
    return getattr(torch, name)


@pytest.mark.parametrize("name", ALL)
def test_every_dtype_is_created(name):
    dtype = dtype_of(name)
    for t in (
        torch.zeros(2, 3, dtype=dtype),
        torch.ones(2, 3, dtype=dtype),
        torch.empty(2, 3, dtype=dtype),
        torch.full((2, 3), 1, dtype=dtype),
        torch.tensor([[0, 1, 1], [1, 0, 1]], dtype=dtype),
    ):
        assert t.dtype is dtype and t.shape == (2, 3)
    assert torch.zeros(2, dtype=dtype).element_size() == dtype.itemsize


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("other", ALL)
def test_every_dtype_is_cast_to_every_other(name, other):
    t = torch.tensor([0, 1, 1], dtype=dtype_of(name)).to(dtype_of(other))
    assert t.dtype is dtype_of(other)
    assert t.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ALL)
def test_every_dtype_is_indexed_and_assigned(name):
    t = torch.tensor([[0, 1, 0], [1, 1, 0]], dtype=dtype_of(name))
    assert t[1].tolist() == [1, 1, 0] and t[:, 1].tolist() == [1, 1] and t[1, 2].item() == 0
    assert t[torch.tensor([1, 0])].tolist() == [[1, 1, 0], [0, 1, 0]]
    assert t[torch.tensor([True, False])].tolist() == [[0, 1, 0]]
    t[0, 0] = 1
    t[:, 2] = torch.tensor([1, 1], dtype=dtype_of(name))
    assert t.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bool", "tensor([False,  True])"),
        ("uint8", "tensor([0, 1], dtype=torch.uint8)"),
        ("int8", "tensor([0, 1], dtype=torch.int8)"),
        ("int16", "tensor([0, 1], dtype=torch.int16)"),
        ("int32", "tensor([0, 1], dtype=torch.int32)"),
        ("int64", "tensor([0, 1])"),
        ("uint16", "tensor([0, 1], dtype=torch.uint16)"),
        ("uint32", "tensor([0, 1], dtype=torch.uint32)"),
        ("uint64", "tensor([0, 1], dtype=torch.uint64)"),
        ("float16", "tensor([0., 1.], dtype=torch.float16)"),
        ("bfloat16", "tensor([0., 1.], dtype=torch.bfloat16)"),
        ("float32", "tensor([0., 1.])"),
        ("float64", "tensor([0., 1.], dtype=torch.float64)"),
        ("complex64", "tensor([0.+0.j, 1.+0.j])"),
        ("complex128", "tensor([0.+0.j, 1.+0.j], dtype=torch.complex128)"),
    ],
)
def test_every_dtype_is_printed(name, text):
    assert repr(torch.tensor([0, 1], dtype=dtype_of(name))) == text


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("short", "int16"),
        ("int", "int32"),
        ("long", "int64"),
        ("cfloat", "complex64"),
        ("cdouble", "complex128"),
    ],
)
def test_dtype_aliases_are_the_same_object(alias, name):
    assert dtype_of(alias) is dtype_of(name)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("bfloat16", "bfloat16"),
        ("byte", "uint8"),
        ("char", "int8"),
        ("short", "int16"),
        ("int", "int32"),
        ("long", "int64"),
        ("bool", "bool"),
    ],
)
def test_cast_methods(method, name):
    assert getattr(torch.ones(2), method)().dtype is dtype_of(name)


def test_dtype_objects():
    assert repr(torch.float32) == "torch.float32" == str(torch.float32)
    assert torch.float32.is_floating_point and not torch.int64.is_floating_point
    assert torch.complex64.is_complex and not torch.float64.is_complex
    assert torch.int8.is_signed and not torch.uint8.is_signed
    assert torch.float64.itemsize == 8 and torch.bool.itemsize == 1
    assert isinstance(torch.float32, torch.dtype)
    assert torch.float32 == torch.float and torch.float32 != torch.float64
    assert {torch.float32: 1}[torch.float] == 1
    assert pickle.loads(pickle.dumps(torch.bfloat16)) is torch.bfloat16
    assert torch.complex64.to_real() is torch.float32


def test_device_objects():
    device = torch.device("cpu")
    assert device.type == "cpu" and device.index is None
    assert repr(device) == "device(type='cpu')" and str(device) == "cpu"
    assert torch.device("cpu", 0) == torch.device("cpu:0") != device
    assert repr(torch.device("cpu:0")) == "device(type='cpu', index=0)"
    assert torch.zeros(1).device == device
    assert hash(torch.device("cpu")) == hash(device)
    with pytest.raises(RuntimeError, match="Expected one of cpu"):
        torch.device("toaster")


def test_finfo_and_iinfo():
    assert torch.finfo(torch.float32).eps == 2**-23
    assert torch.finfo(torch.bfloat16).max == 3.3895313892515355e38
    assert torch.finfo(torch.float16).tiny == 6.103515625e-05
    assert torch.iinfo(torch.int8).min == -128 and torch.iinfo(torch.uint8).max == 255
    assert torch.iinfo(torch.int64).bits == 64


def test_out_of_range_numbers_wrap_as_casts_do():
    assert torch.tensor([300, -1]).to(torch.uint8).tolist() == [44, 255]
    assert torch.tensor([2**31]).to(torch.int32).tolist() == [-(2**31)]
    assert torch.tensor([1.9, -1.9]).to(torch.int32).tolist() == [1, -1]
    assert torch.tensor([0.0, 0.5, float("nan")]).to(torch.bool).tolist() == [False, True, True]


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow"):
        torch.full((1,), 300, dtype=torch.uint8)
    with pytest.raises(ValueError, match="Overflow when unpacking long"):
        torch.tensor([2**64])


def test_float16_and_bfloat16_round_to_nearest_even():
    assert torch.tensor(2049.0).half().item() == 2048
    assert torch.tensor(2051.0).half().item() == 2052
    assert torch.tensor(257.0).bfloat16().item() == 256
    assert torch.tensor(70000.0).half().item() == float("inf")
    assert torch.tensor(6e-8, dtype=torch.float64).half().item() == 2**-24


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ("bool", "uint8", "uint8"),
        ("uint8", "int8", "int16"),
        ("int8", "int64", "int64"),
        ("int64", "float16", "float16"),
        ("float16", "bfloat16", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "complex64", "complex128"),
        ("int32", "bool", "int32"),
    ],
)
def test_mixed_dtypes_promote(a, b, result):
    assert torch.promote_types(dtype_of(a), dtype_of(b)) is dtype_of(result)
    assert torch.result_type(torch.ones(1, dtype=dtype_of(a)), torch.ones(1, dtype=dtype_of(b))) is dtype_of(result)


def test_numbers_and_zero_dimensional_tensors_do_not_raise_the_dtype():
    assert (torch.ones(2, dtype=torch.float16) * 2.5).dtype is torch.float16
    assert (torch.ones(2, dtype=torch.int8) + 1).dtype is torch.int8
    assert (torch.ones(2, dtype=torch.int8) + 1.5).dtype is torch.float32
    assert (torch.ones(2) * torch.tensor(2.0, dtype=torch.float64)).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.int32) + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float64
    assert (torch.tensor(1) + torch.tensor(1.5)).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.bool) + 1).dtype is torch.int64


def test_the_three_divisions():
    a, b = torch.tensor([7, -7]), torch.tensor([2, 2])
    assert (a / b).tolist() == [3.5, -3.5] and (a / b).dtype is torch.float32
    assert (a // b).tolist() == [3, -4] and (a // b).dtype is torch.int64
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3]
    assert torch.div(a, b, rounding_mode="floor").tolist() == [3, -4]
    assert (a % b).tolist() == [1, 1] and torch.fmod(a, b).tolist() == [1, -1]


def test_integer_division_by_zero_is_refused():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.tensor([1]) // torch.tensor([0])


def test_set_default_dtype_decides_what_floats_become():
    assert torch.get_default_dtype() is torch.float32
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.tensor(1.5).dtype is torch.float64
        assert torch.zeros(1).dtype is torch.float64
        assert (torch.ones(1, dtype=torch.int64) / 2).dtype is torch.float64
        assert torch.tensor(1).dtype is torch.int64
        assert torch.tensor(1j).dtype is torch.complex128
        assert repr(torch.tensor(1.5)) == "tensor(1.5000)"
        assert repr(torch.tensor(1.5, dtype=torch.float32)) == "tensor(1.5000, dtype=torch.float32)"
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
        torch.set_default_dtype(torch.int64)


def test_type_names_and_conversions():
    assert torch.zeros(1).type() == "torch.FloatTensor"
    assert torch.zeros(1, dtype=torch.int64).type() == "torch.LongTensor"
    assert torch.zeros(1).type(torch.int32).dtype is torch.int32
    assert torch.zeros(1).type("torch.DoubleTensor").dtype is torch.float64
    assert torch.zeros(1).type(torch.LongTensor).dtype is torch.int64
    assert torch.zeros(1).type_as(torch.zeros(1, dtype=torch.int8)).dtype is torch.int8


def test_complex_numbers_can_be_made_and_read():
    t = torch.tensor([1 + 2j, -1j])
    assert t.dtype is torch.complex64 and t.tolist() == [1 + 2j, -1j]
    assert t[0].item() == 1 + 2j
    assert t.is_complex() and not t.is_floating_point()


def test_view_as_another_dtype_of_the_same_width():
    assert torch.tensor([1.0]).view(torch.int32).item() == 0x3F800000
    assert torch.tensor([1.0, 2.0], dtype=torch.float64).view(torch.int32).shape == (4,)

"""Tensors in another dtype, on another device, in another memory format."""

import pytest

import rustorch as torch


def test_to_gives_the_tensor_itself_where_nothing_changes() -> None:
    x = torch.ones(2)
    assert x.to(torch.float32) is x
    assert x.to("cpu") is x
    assert x.to(torch.zeros(1)) is x
    assert x.to() is x
    assert x.float() is x
    assert x.to(torch.float32, copy=True) is not x


def test_forms_of_to() -> None:
    x = torch.tensor([0.0, 1.5, -2.0])
    assert x.to(torch.int64).tolist() == [0, 1, -2]
    assert x.to("cpu", torch.float64).dtype == torch.float64
    assert x.to(device="cpu", dtype=torch.bool).tolist() == [False, True, True]
    assert x.to(torch.zeros(1, dtype=torch.int8)).dtype == torch.int8
    assert x.to("meta").device.type == "meta"
    with pytest.raises(TypeError, match=r"to\(\) received an invalid combination of arguments - got \(list\)"):
        x.to([1])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("double", torch.float64),
        ("half", torch.float16),
        ("bfloat16", torch.bfloat16),
        ("char", torch.int8),
        ("byte", torch.uint8),
        ("short", torch.int16),
        ("int", torch.int32),
        ("long", torch.int64),
        ("bool", torch.bool),
        ("cfloat", torch.complex64),
        ("cdouble", torch.complex128),
    ],
)
def test_short_forms(name, dtype) -> None:
    converted = getattr(torch.tensor([0.0, 1.0]), name)()
    assert converted.dtype == dtype
    assert converted.tolist() == [0, 1]


def test_type_as_and_cpu() -> None:
    x = torch.ones(2)
    assert x.type_as(torch.zeros(1, dtype=torch.int16)).dtype == torch.int16
    assert x.cpu() is x


def test_the_gradient_comes_back_in_the_input_s_dtype() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x.double()
    assert y.grad_fn.name() == "ToCopyBackward0"
    (y * 3).sum().backward()
    assert x.grad.dtype == torch.float32
    assert x.grad.tolist() == [3.0, 3.0]


def test_memory_formats() -> None:
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    last = x.to(memory_format=torch.channels_last)
    assert last.stride() == (24, 1, 8, 2)
    assert torch.equal(last, x)
    assert last.to(memory_format=torch.channels_last) is last
    assert last.to(torch.float64).stride() == (24, 1, 8, 2)


def test_sum_to_size() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    assert x.sum_to_size(3).tolist() == [3.0, 5.0, 7.0]
    assert x.sum_to_size((2, 1)).tolist() == [[3.0], [12.0]]
    assert x.sum_to_size(2, 3).tolist() == x.tolist()
    with pytest.raises(RuntimeError, match=r"size \{\[2\]\} is not expandable to size \{\[2, 3\]\}"):
        x.sum_to_size(2)

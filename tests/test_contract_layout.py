"""Shapes and strides: zero-size, 0-d, size-1, expanded and overlapping views; permuted layouts and memory formats."""

import pytest

import rustorch as torch


def test_default_strides_are_row_major():
    assert torch.empty(2, 3, 4).stride() == (12, 4, 1)
    assert torch.empty(2, 3).t().stride() == (1, 3)


def test_zero_dimensional_tensors():
    t = torch.tensor(3.5)
    assert t.shape == () and t.stride() == () and t.dim() == 0 and t.numel() == 1
    assert t.is_contiguous() and t.item() == 3.5
    assert t.view(1).shape == (1,) and t.expand(2, 2).tolist() == [[3.5, 3.5], [3.5, 3.5]]
    assert t[None].shape == (1,) and t[...].shape == ()
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        t[0]
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(t)


def test_zero_size_tensors():
    t = torch.empty(2, 0, 3)
    assert t.numel() == 0 and t.stride() == (3, 3, 1) and t.tolist() == [[], []]
    assert (t + 1).shape == (2, 0, 3)
    assert t.sum().item() == 0 and t.sum(1).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert t.prod().item() == 1
    assert torch.cat([t, torch.ones(2, 1, 3)], 1).shape == (2, 1, 3)
    assert torch.empty(0, 3).matmul(torch.empty(3, 4)).shape == (0, 4)
    assert torch.empty(3, 0).matmul(torch.empty(0, 4)).eq(0).all()
    with pytest.raises((IndexError, RuntimeError), match="max"):
        t.max()
    with pytest.raises(RuntimeError, match="cannot reshape tensor of 0 elements into shape"):
        t.view(-1, 0)


def test_zero_size_backward():
    x = torch.empty(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_size_one_dimensions_never_break_contiguity():
    t = torch.empty(4, 1, 3).transpose(0, 1)
    assert t.shape == (1, 4, 3) and t.is_contiguous()
    assert t.contiguous().data_ptr() == t.data_ptr()


def test_expanded_views_repeat_with_stride_zero():
    t = torch.tensor([[1.0], [2.0]]).expand(2, 3)
    assert t.stride() == (1, 0) and not t.is_contiguous()
    assert t.sum().item() == 9 and t.contiguous().stride() == (3, 1)
    assert (t * t.t().contiguous().t()).tolist() == [[1, 1, 1], [4, 4, 4]]
    assert torch.ones(1).expand(3, -1).shape == (3, 1)
    with pytest.raises(RuntimeError, match="The expanded size of the tensor \\(5\\) must match the existing size"):
        torch.ones(2, 3).expand(2, 5)


def test_a_missing_size_is_named():
    with pytest.raises(RuntimeError, match="number of sizes provided .* must be greater or equal to the number of dim"):
        torch.ones(2, 3).expand(3)


def test_results_keep_the_permuted_layout_of_their_inputs():
    t = torch.empty(2, 3, 4).permute(2, 0, 1)
    assert t.stride() == (1, 12, 4)
    assert (t + 1).stride() == (1, 12, 4)
    assert torch.exp(t).stride() == (1, 12, 4)
    assert (t + t.contiguous()).stride() == (1, 12, 4)
    assert (t + torch.tensor(1.0)).stride() == (1, 12, 4)
    assert (t > 0).stride() == (1, 12, 4)
    assert t.clone().stride() == (1, 12, 4)
    assert torch.empty_like(t).stride() == (1, 12, 4)
    assert t.to(torch.float64).stride() == (1, 12, 4)


def test_results_of_strided_inputs_are_dense():
    t = torch.arange(24.0).view(4, 6)[:, ::2]
    assert (t + 1).stride() == (3, 1)
    assert t.t().exp().stride() == (1, 3)
    assert t.clone().stride() == (3, 1)


def test_results_of_expanded_inputs_are_dense():
    t = torch.ones(3, 1).expand(3, 4)
    assert (t + 1).stride() == (4, 1) or (t + 1).is_contiguous()
    assert t.clone().is_contiguous()


def test_broadcasting_follows_the_first_operand():
    a = torch.empty(3, 2).t()
    b = torch.empty(2, 3)
    assert (a + b).stride() == (1, 2)
    assert (b + a).stride() == (3, 1)


def test_channels_last_is_made_and_recognised():
    t = torch.empty(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert t.shape == (2, 3, 4, 5) and t.stride() == (60, 1, 15, 3)
    assert t.is_contiguous(memory_format=torch.channels_last) and not t.is_contiguous()
    assert torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride() == (60, 1, 15, 3)
    assert torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last).stride() == (60, 1, 15, 3)


def test_channels_last_is_kept():
    t = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    for result in (t + 1, t * t, t.relu(), t.clone(), torch.zeros_like(t), t.double(), t + torch.ones(3, 1, 1)):
        assert result.is_contiguous(memory_format=torch.channels_last)
    assert t.clone(memory_format=torch.contiguous_format).is_contiguous()
    assert torch.empty_like(t, memory_format=torch.contiguous_format).is_contiguous()


def test_channels_last_needs_four_dimensions():
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last format"):
        torch.empty(2, 3).contiguous(memory_format=torch.channels_last)


def test_channels_last_keeps_values():
    t = torch.arange(24.0).view(1, 2, 3, 4)
    assert t.contiguous(memory_format=torch.channels_last).tolist() == t.tolist()


def test_memory_formats_print_their_names():
    assert repr(torch.channels_last) == "torch.channels_last"
    assert repr(torch.contiguous_format) == "torch.contiguous_format"
    assert repr(torch.preserve_format) == "torch.preserve_format"


def test_convolution_keeps_channels_last():
    weight = torch.randn(4, 3, 3, 3)
    t = torch.randn(2, 3, 8, 8)
    expected = torch.nn.functional.conv2d(t, weight)
    actual = torch.nn.functional.conv2d(t.contiguous(memory_format=torch.channels_last), weight)
    assert actual.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(actual, expected, atol=1e-5)


def test_stride_and_size_of_one_dimension():
    t = torch.empty(2, 3, 4)
    assert (t.size(0), t.size(-1), t.stride(1), t.stride(-1)) == (2, 4, 4, 1)
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-3, 2\], but got 3\)"):
        t.size(3)


def test_large_shapes_whose_numel_overflows_are_refused():
    with pytest.raises(RuntimeError):
        torch.empty(2**40, 2**40)


def test_negative_sizes_are_refused():
    with pytest.raises(RuntimeError, match=r"Trying to create tensor with negative dimension -1: \[2, -1\]"):
        torch.empty(2, -1)


def test_broadcasting_that_does_not_fit_is_refused():
    message = r"The size of tensor a \(3\) must match the size of tensor b \(2\) at non-singleton dimension 1"
    with pytest.raises(RuntimeError, match=message):
        torch.ones(2, 3) + torch.ones(2, 2)

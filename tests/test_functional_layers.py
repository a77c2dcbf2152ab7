"""Dropout, normalisation, pooling, padding, embeddings and shuffles against their definitions."""

import pytest

import rustorch as torch
import rustorch.nn.functional as F
from rustorch import nn


def test_dropout_scales_what_is_left_and_rests_in_evaluation():
    x = torch.ones(1000)
    layer = nn.Dropout(0.25)
    torch.manual_seed(0)
    assert sorted(set(layer(x).tolist())) == pytest.approx([0, 4 / 3])
    assert torch.equal(layer.eval()(x), x)
    assert repr(layer) == "Dropout(p=0.25, inplace=False)"
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got 2"):
        nn.Dropout(2)


def test_dropout2d_drops_whole_channels():
    torch.manual_seed(0)
    y = nn.Dropout2d(0.5)(torch.ones(8, 4, 3, 3))
    sums = set(y.sum((2, 3)).flatten().tolist())
    assert sums == {0.0, 18.0}


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(0)
    y = nn.AlphaDropout(0.2)(torch.randn(100_000))
    assert abs(y.mean().item()) < 0.02 and abs(y.var().item() - 1) < 0.03


def test_batch_norm_normalises_and_tracks():
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(2, momentum=0.5)
    x = torch.randn(4, 2, 3, 3) * 3 + 1
    y = layer(x)
    assert y.mean((0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert y.var((0, 2, 3), unbiased=False).tolist() == pytest.approx([1, 1], abs=1e-3)
    assert layer.running_mean.tolist() == pytest.approx((x.mean((0, 2, 3)) / 2).tolist(), rel=1e-4)
    assert layer.running_var.tolist() == pytest.approx((0.5 + x.var((0, 2, 3)) / 2).tolist(), rel=1e-4)
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    expected = (x - layer.running_mean.view(1, 2, 1, 1)) / (layer.running_var.view(1, 2, 1, 1) + 1e-5).sqrt()
    assert torch.allclose(layer(x), expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\)"):
        layer(torch.ones(2, 2))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        nn.BatchNorm1d(2)(torch.ones(1, 2))


def test_batch_norm_gradients_sum_to_zero_over_a_channel():
    layer = nn.BatchNorm1d(3)
    x = torch.randn(5, 3, requires_grad=True)
    (layer(x) ** 3).sum().backward()
    assert x.grad.sum(0).tolist() == pytest.approx([0, 0, 0], abs=1e-3)


def test_layer_group_instance_and_rms_norm():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5)
    flat = nn.LayerNorm((4, 5))(x).reshape(2, -1)
    assert flat.mean(1).tolist() == pytest.approx([0, 0], abs=1e-5)
    groups = nn.GroupNorm(2, 4)(x).reshape(2, 2, -1)
    assert groups.var(2, unbiased=False).flatten().tolist() == pytest.approx([1] * 4, abs=1e-3)
    instances = nn.InstanceNorm1d(4)(x)
    assert instances.mean(2).flatten().tolist() == pytest.approx([0] * 8, abs=1e-5)
    rms = nn.RMSNorm(5)(x)
    assert (rms * rms).mean(-1).flatten().tolist() == pytest.approx([1] * 8, abs=1e-4)
    assert repr(nn.LayerNorm(3)) == "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)"
    with pytest.raises(RuntimeError, match=r"Given normalized_shape=\[3\], expected input with shape \[\*, 3\]"):
        nn.LayerNorm(3)(x)
    with pytest.raises(ValueError, match="must be divisible by num_groups"):
        nn.GroupNorm(3, 4)


def test_adaptive_average_pooling_takes_overlapping_windows():
    x = torch.arange(5.0).reshape(1, 1, 5)
    assert nn.AdaptiveAvgPool1d(2)(x).tolist() == [[[1.0, 3.0]]]
    assert nn.AdaptiveAvgPool2d(1)(torch.ones(2, 3, 4, 5)).shape == (2, 3, 1, 1)
    assert nn.AdaptiveAvgPool2d((None, 2))(torch.ones(1, 1, 3, 4)).shape == (1, 1, 3, 2)


def test_padding_modes():
    x = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert F.pad(x, (1, 2)).tolist() == [[[0, 1, 2, 3, 0, 0]]]
    assert F.pad(x, (-1, 1), value=9.0).tolist() == [[[2, 3, 9]]]
    assert F.pad(x, (2, 1), "reflect").tolist() == [[[3, 2, 1, 2, 3, 2]]]
    assert F.pad(x, (1, 1), "replicate").tolist() == [[[1, 1, 2, 3, 3]]]
    assert F.pad(x, (1, 1), "circular").tolist() == [[[3, 1, 2, 3, 1]]]
    with pytest.raises(RuntimeError, match="Padding length must be divisible by 2"):
        F.pad(x, (1,))
    with pytest.raises(RuntimeError, match="Padding size should be less than the corresponding input dimension"):
        F.pad(x, (3, 0), "reflect")
    grown = F.pad(x.requires_grad_(), (1, 1), "replicate")
    grown.sum().backward()
    assert x.grad.tolist() == [[[2, 1, 2]]]
    assert repr(nn.ReflectionPad2d(1)) == "ReflectionPad2d((1, 1, 1, 1))"


def test_one_hot_and_embedding():
    assert F.one_hot(torch.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes."):
        F.one_hot(torch.tensor([3]), 2)
    layer = nn.Embedding(4, 2, padding_idx=-1)
    assert layer.padding_idx == 3 and layer.weight[3].tolist() == [0, 0]
    layer(torch.tensor([[1, 3]])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]
    assert repr(layer) == "Embedding(4, 2, padding_idx=3)"


def test_shuffles_are_inverse():
    x = torch.arange(16.0).reshape(1, 4, 2, 2)
    y = nn.PixelShuffle(2)(x)
    assert y.shape == (1, 1, 4, 4) and y[0, 0, 0].tolist() == [0, 4, 1, 5]
    assert torch.equal(nn.PixelUnshuffle(2)(y), x)
    assert nn.ChannelShuffle(2)(x)[0, :, 0, 0].tolist() == [0, 8, 4, 12]


def test_flatten_and_unflatten():
    x = torch.zeros(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12) and nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, 1))(x).shape == (2, 3, 1, 4)


def test_distances():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    assert nn.PairwiseDistance(eps=0.0)(a, b).item() == 5
    assert nn.CosineSimilarity()(a, b).item() == 0
    assert F.normalize(a).tolist() == [[1, 0]]


def test_what_is_not_built_names_itself_when_called():
    with pytest.raises(NotImplementedError, match="'conv_tbc' is not implemented"):
        F.conv_tbc(torch.zeros(1))


def test_lazy_linear_learns_its_size():
    with pytest.warns(UserWarning, match="Lazy modules are a new feature"):
        layer = nn.LazyLinear(3)
    assert repr(layer.weight) == "<UninitializedParameter>"
    assert layer(torch.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear and layer.in_features == 5


def test_scaled_dot_product_attention_is_causal():
    q = torch.randn(1, 3, 2)
    out = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    assert torch.allclose(out[0, 0], q[0, 0])


def transposed_by_definition(x, w, stride, padding, output_padding, dilation):
    """Every input element adds its scaled kernel to the uncropped output (one channel)."""
    size = [
        (x.shape[d] - 1) * stride[d] - 2 * padding[d] + dilation[d] * (w.shape[d] - 1) + output_padding[d] + 1
        for d in (0, 1)
    ]
    room = torch.zeros(40, 40, dtype=x.dtype)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            top, left = i * stride[0], j * stride[1]
            height, width = dilation[0] * (w.shape[0] - 1) + 1, dilation[1] * (w.shape[1] - 1) + 1
            room[top : top + height : dilation[0], left : left + width : dilation[1]] += x[i, j] * w
    return room[padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation"),
    [
        ((2, 1), (2, 2), (0, 1), (1, 2)),
        ((3, 1), (1, 2), (2, 1), (1, 2)),
        ((1, 1), (0, 0), (1, 2), (2, 3)),
        ((2, 2), (1, 1), (1, 1), (1, 1)),
    ],
)
def test_output_padding_of_a_whole_stride_shows_what_padding_cut(stride, padding, output_padding, dilation):
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def transposed(x, w):
        options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        return F.conv_transpose2d(x[None, None], w[None, None], **options)[0, 0]

    expected = transposed_by_definition(x.detach(), w.detach(), stride, padding, output_padding, dilation)
    torch.testing.assert_close(transposed(x, w), expected)
    assert torch.autograd.gradcheck(transposed, (x, w))


def test_what_circular_padding_crops_takes_no_part_in_the_circle():
    x = torch.arange(5.0).view(1, 5)
    assert F.pad(x, (-1, 2), mode="circular").tolist() == [[1, 2, 3, 4, 1, 2]]
    assert F.pad(x, (2, -1), mode="circular").tolist() == [[2, 3, 0, 1, 2, 3]]


def test_plus_is_the_tensor_itself():
    x = torch.ones(2, requires_grad=True)
    assert +x is x and torch.positive(x) is x
    with pytest.raises(RuntimeError, match=r"The `\+` operator, on a bool tensor is not supported."):
        torch.positive(torch.ones(2, dtype=torch.bool))

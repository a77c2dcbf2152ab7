"""Operators, conversions, attributes and the classes around Tensor."""

import inspect
import operator
import pickle

import pytest

import rustorch as torch
from rustorch import Tensor


def test_operators_with_tensors_and_numbers():
    t = torch.tensor([3.0, 4.0])
    assert (t + t).tolist() == [6, 8] and (t - 1).tolist() == [2, 3] and (2 * t).tolist() == [6, 8]
    assert (12 / t).tolist() == [4, 3] and (t // 2).tolist() == [1, 2] and (7 % t).tolist() == [1, 3]
    assert (t**2).tolist() == [9, 16] and (2**t).tolist() == [8, 16] and (10 - t).tolist() == [7, 6]
    assert (-t).tolist() == [-3, -4] and (+t).tolist() == [3, 4] and abs(-t).tolist() == [3, 4]
    assert (t @ t).item() == 25
    assert (t > 3).tolist() == [False, True] and (t == 3).tolist() == [True, False]


def test_integer_operators():
    n = torch.tensor([6, 7])
    assert (n & 3).tolist() == [2, 3] and (n | 8).tolist() == [14, 15] and (n ^ 1).tolist() == [7, 6]
    assert (n << 1).tolist() == [12, 14] and (n >> 1).tolist() == [3, 3] and (~n).tolist() == [-7, -8]
    assert (1 << n).tolist() == [64, 128] and (255 >> n).tolist() == [3, 1]
    assert (n + True).tolist() == [7, 8] and (n * 0.5).dtype == torch.float32


def test_in_place_operators_return_the_same_object():
    t = torch.tensor([1.0, 2.0])
    same = t
    t += 1
    t *= 3
    t -= 1
    t /= 5
    assert t is same and t.tolist() == [1.0, pytest.approx(1.6)]
    n = torch.tensor([5])
    n <<= 2
    n |= 1
    n //= 2
    n **= 2
    n %= 7
    assert n.tolist() == [2]


def test_other_classes_may_answer():
    class Right:
        def __radd__(self, other):
            return "right"

    class Sub(Tensor):
        def __radd__(self, other):
            return "sub"

    t = torch.zeros(2)
    assert t + Right() == "right" and t + Sub(2) == "sub"
    assert (t == "a") is False and (t != "a") is True
    with pytest.raises(TypeError, match="unsupported operand type"):
        t + "x"


def test_python_numbers_come_out():
    assert int(torch.tensor([2.7])) == 2 and float(torch.tensor(3)) == 3.0 and complex(torch.tensor(1j)) == 1j
    assert bool(torch.tensor([[2.0]])) and not torch.tensor(0)
    assert [10, 20][torch.tensor(1)] == 20 and range(5)[torch.tensor([3])] == 3
    assert f"{torch.tensor(1.5):.3f}" == "1.500" and "%d" % torch.tensor(4) == "4"
    assert torch.tensor(2**63, dtype=torch.uint64).item() == 2**63


def test_a_tensor_is_a_sequence_of_rows():
    t = torch.arange(6.0).view(2, 3)
    assert len(t) == 2 and [row.tolist() for row in t] == [[0, 1, 2], [3, 4, 5]]
    assert 4 in t and 9 not in t and torch.tensor(5.0) in t
    assert [row.tolist() for row in reversed(t)] == [[3, 4, 5], [0, 1, 2]]
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))
    with pytest.raises(TypeError):
        operator.delitem(t, 0)


def test_hash_is_identity():
    a, b = torch.zeros(1), torch.zeros(1)
    assert hash(a) == id(a) and len({a: 1, b: 2} | {a: 3}) == 2


def test_sizes():
    size = torch.zeros(2, 3).shape
    assert size == (2, 3) and type(size) is torch.Size and repr(size) == "torch.Size([2, 3])" and size.numel() == 6
    assert type(size[0:1]) is torch.Size and type(size + (4,)) is torch.Size and size + (4,) == (2, 3, 4)
    assert (7,) + size == (7, 2, 3) and type((7,) + size) is torch.Size and size * 2 == (2, 3, 2, 3)
    assert pickle.loads(pickle.dumps(size)) == size and type(pickle.loads(pickle.dumps(size))) is torch.Size
    assert hash(size) == hash((2, 3)) and torch.Size([1, True]) == (1, 1) and torch.Size() == ()
    rows, columns = size
    assert (rows, columns) == (2, 3) and len(size) == 2 and size[-1] == 3


def test_shape_follows_a_change_of_layout():
    t = torch.zeros(2, 3)
    assert t.shape == (2, 3)
    t.resize_(6)
    assert t.shape == (6,) and t.size() == (6,)
    t.t_() if t.dim() == 2 else t.unsqueeze_(0)
    assert t.shape == (1, 6)


def test_size_and_stride_of_one_dimension():
    t = torch.zeros(2, 3)
    assert t.size(0) == 2 and t.size(-1) == 3 and t.size(dim=1) == 3 and t.size(torch.tensor(1)) == 3
    assert t.stride() == (3, 1) and t.stride(0) == 3 and t.stride(-1) == 1
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 2"):
        t.size(2)


def test_dtypes():
    assert repr(torch.float32) == "torch.float32" and torch.float is torch.float32 and torch.float32.itemsize == 4
    assert torch.float32.is_floating_point and not torch.int8.is_floating_point and torch.complex64.is_complex
    assert torch.complex64.to_real() is torch.float32 and torch.float64.to_complex() is torch.complex128
    assert pickle.loads(pickle.dumps(torch.bfloat16)) is torch.bfloat16 and hash(torch.int8) == hash(torch.int8)
    assert torch.zeros(1, dtype=float).dtype is torch.float64 and torch.zeros(1, dtype=int).dtype is torch.int64
    with pytest.raises(TypeError):
        torch.dtype()


def test_devices():
    cpu = torch.device("cpu")
    assert repr(cpu) == "device(type='cpu')" and str(cpu) == "cpu" and cpu.index is None
    one = torch.device("cuda", 1)
    assert repr(one) == "device(type='cuda', index=1)" and one == torch.device("cuda:1") and one != cpu
    assert hash(one) == hash(torch.device(1)) and cpu != "cpu" and pickle.loads(pickle.dumps(one)) == one


def test_limits_of_dtypes():
    info = torch.finfo(torch.float16)
    assert (info.max, info.min, info.bits, info.eps) == (65504.0, -65504.0, 16, 2**-10)
    assert repr(torch.finfo(torch.bfloat16)).startswith(
        "finfo(resolution=0.01, min=-3.38953e+38, max=3.38953e+38, eps=0.0078125"
    )
    assert torch.iinfo(torch.uint8).max == 255 and torch.iinfo(torch.int64).min == -(2**63)
    assert repr(torch.iinfo(torch.int8)) == "iinfo(min=-128, max=127, dtype=int8)"


def test_signatures_and_names():
    assert str(inspect.signature(torch.roll)) == "(input, shifts, dims=())"
    assert str(inspect.signature(Tensor.add)) == "(self, /, other, *, alpha=1)"
    assert Tensor.__module__ == "rustorch" and Tensor.__qualname__ == "Tensor" and Tensor.__array_priority__ == 1000
    assert repr(torch.add) == "<built-in function add>" and "scaled by" in torch.add.__doc__
    assert Tensor[int] is not None and "add" in dir(torch.zeros(1))
    Tensor.patched = lambda self: 1
    assert torch.zeros(1).patched() == 1
    del Tensor.patched


def test_results_with_names():
    result = torch.max(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    values, indices = result
    assert values.tolist() == result.values.tolist() == [5, 7] and indices.tolist() == result.indices.tolist() == [1, 0]
    assert repr(result) == "torch.return_types.max(\nvalues=tensor([5., 7.]),\nindices=tensor([1, 0]))"


def test_overrides():
    calls = []

    class Seen(Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            calls.append((func, tuple(types)))
            return super().__torch_function__(func, types, args, kwargs)

    seen, plain = Seen(2, 3), torch.zeros(2, 3)
    assert type(torch.add(plain, seen)) is Seen
    assert type(seen + 1) is Seen and type(1 - seen) is Seen
    seen.add_(plain)
    torch.add(plain, plain)
    names = [function.__name__ for function, _ in calls]
    assert names == ["add", "__add__", "__rsub__", "add_"] and calls[0][1] == (Seen,)


def test_a_class_may_keep_out_of_calls():
    class Quiet(Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    assert type(Quiet(2) + 1) is Tensor


def test_lists_that_change_while_they_are_read():
    class Emptying:
        def __init__(self, target):
            self.target = target

        def __index__(self):
            self.target.clear()
            return 0

    tensors = [torch.zeros(2, 3), torch.zeros(2, 3)]
    assert torch.cat(tensors, Emptying(tensors)).shape == (4, 3) and not tensors
    sizes = []
    sizes += [1, Emptying(sizes), 2]
    with pytest.raises(TypeError):
        torch.zeros(sizes)


def test_ints_of_many_kinds():
    numpy = pytest.importorskip("numpy")
    assert torch.zeros(numpy.int64(2), 3).shape == (2, 3) and torch.zeros((torch.tensor(2), 3)).shape == (2, 3)
    assert torch.zeros(2, 3).sum(numpy.int32(1)).shape == (2,)
    assert torch.ones(2).add(1, alpha=numpy.float32(2)).tolist() == [3, 3]
    assert (torch.ones(2) + numpy.float64(2)).dtype == torch.float32
    assert (numpy.float64(2) * torch.ones(2)).tolist() == [2, 2]

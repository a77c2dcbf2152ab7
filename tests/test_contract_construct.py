"""Ways to make a tensor: tensor, as_tensor, from_numpy, the legacy constructors; and the way back to numpy."""

import subprocess
import sys
import warnings

import pytest

import rustorch as torch

numpy = pytest.importorskip("numpy")


def test_tensor_infers_dtype_and_shape():
    assert torch.tensor([[1, 2], [3, 4]]).dtype is torch.int64
    assert torch.tensor([1, 2.5]).dtype is torch.float32
    assert torch.tensor([True, False]).dtype is torch.bool
    assert torch.tensor([True, 2]).tolist() == [1, 2]
    assert torch.tensor([]).shape == (0,) and torch.tensor([]).dtype is torch.float32
    assert torch.tensor([[], []]).shape == (2, 0)
    assert torch.tensor(range(3)).tolist() == [0, 1, 2]
    assert torch.tensor((1, (2), 3)).shape == (3,)


def test_tensor_takes_nested_tensors_and_numpy_numbers():
    assert torch.tensor([torch.tensor(1.0), torch.tensor(2.0)]).tolist() == [1, 2]
    assert torch.tensor([numpy.float32(1.5), 2]).tolist() == [1.5, 2]
    assert torch.tensor(numpy.arange(3, dtype=numpy.int16)).dtype is torch.int16


def test_tensor_always_copies():
    array = numpy.zeros(2)
    t = torch.tensor(array)
    array[0] = 1
    assert t.tolist() == [0, 0]


def test_tensor_of_a_tensor_warns():
    with pytest.warns(UserWarning, match="To copy construct from a tensor, it is recommended to use"):
        torch.tensor(torch.ones(2))


def test_tensor_keywords():
    t = torch.tensor([1, 2], dtype=torch.float64, device="cpu", requires_grad=True)
    assert t.dtype is torch.float64 and t.requires_grad and t.is_leaf


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match=r"expected sequence of length 2 at dim 1 \(got 1\)"):
        torch.tensor([[1, 2], [3]])


def test_strangers_are_refused():
    with pytest.raises(ValueError, match="too many dimensions 'str'"):
        torch.tensor(["a"])
    with pytest.raises(RuntimeError, match="Could not infer dtype of NoneType"):
        torch.tensor(None)
    with pytest.raises(TypeError, match="new\\(\\): data must be a sequence|must be|not"):
        torch.tensor({1: 2}, dtype=torch.float32)


def test_as_tensor_shares_where_it_can():
    t = torch.ones(2)
    assert torch.as_tensor(t) is t
    assert torch.as_tensor(t, dtype=torch.float64).dtype is torch.float64
    array = numpy.zeros(2, dtype=numpy.float32)
    shared = torch.as_tensor(array)
    array[0] = 5
    assert shared[0] == 5
    assert torch.as_tensor([1, 2]).tolist() == [1, 2]


@pytest.mark.parametrize(
    "name",
    [
        "bool",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ],
)
def test_numpy_bridge_shares_memory_both_ways(name):
    array = numpy.zeros(3, dtype=getattr(numpy, "bool_" if name == "bool" else name))
    t = torch.from_numpy(array)
    assert t.dtype is getattr(torch, name)
    t[0] = 1
    array[1] = 1
    assert array.tolist() == [1, 1, 0] and t.tolist() == [1, 1, 0]
    back = t.numpy()
    assert back.dtype == array.dtype and back.__array_interface__["data"] == array.__array_interface__["data"]


def test_numpy_views_keep_strides_and_offset():
    t = torch.arange(12.0).view(3, 4)[1:, ::2].t()
    array = t.numpy()
    assert array.shape == (2, 2) and array.strides == (8, 16) and array.tolist() == [[4, 8], [6, 10]]
    array[0, 0] = 100
    assert t[0, 0] == 100


def test_numpy_strided_arrays_come_over():
    array = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)[::2, 1::2].T
    t = torch.from_numpy(array)
    assert t.tolist() == array.tolist() and t.stride() == (2, 8)


def test_numpy_arrays_with_negative_strides_are_refused():
    with pytest.raises(ValueError, match="At least one stride in the given numpy array is negative"):
        torch.from_numpy(numpy.arange(3)[::-1])


def test_numpy_arrays_of_strangers_are_refused():
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.str_"):
        torch.from_numpy(numpy.array(["a"]))
    with pytest.raises(TypeError, match="expected np.ndarray \\(got list\\)"):
        torch.from_numpy([1])


def test_numpy_arrays_that_are_read_only_warn():
    array = numpy.zeros(2)
    array.flags.writeable = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t = torch.from_numpy(array)
    assert t.tolist() == [0, 0]
    assert all("The given NumPy array is not writable" in str(w.message) for w in caught)


def test_numpy_of_a_tracked_tensor_is_refused():
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach"):
        torch.ones(2, requires_grad=True).numpy()
    assert torch.ones(2, requires_grad=True).detach().numpy().tolist() == [1, 1]


def test_numpy_forced():
    assert torch.ones(2, requires_grad=True).numpy(force=True).tolist() == [1, 1]


def test_numpy_has_no_bfloat16():
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        torch.ones(1, dtype=torch.bfloat16).numpy()


def test_array_protocol():
    t = torch.tensor([[1.0, 2.0]])
    assert numpy.asarray(t).tolist() == [[1, 2]]
    assert numpy.array(t, dtype=numpy.int64).tolist() == [[1, 2]]
    assert numpy.sum(numpy.asarray(t)) == 3
    assert (numpy.ones(2) * numpy.asarray(torch.ones(2))).tolist() == [1, 1]


def test_memory_outlives_its_first_owner():
    t = torch.from_numpy(numpy.arange(1000.0))
    assert t.sum().item() == 499500
    array = torch.arange(1000.0).numpy()
    assert array.sum() == 499500


def test_zero_dimensional_bridge():
    assert torch.tensor(2.5).numpy().shape == ()
    assert torch.from_numpy(numpy.array(3)).shape == ()


def test_dlpack_shares_memory_both_ways():
    t = torch.arange(4.0)
    array = numpy.from_dlpack(t)
    t[0] = 9
    assert array[0] == 9
    back = torch.from_dlpack(numpy.arange(3.0))
    assert back.tolist() == [0, 1, 2]


def test_legacy_tensor_constructor():
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor(2, 3).dtype is torch.float32
    assert torch.Tensor([1, 2]).tolist() == [1, 2] and torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    assert torch.Tensor(torch.Size([2, 1])).shape == (2, 1)
    t = torch.ones(2)
    assert torch.Tensor(t).data_ptr() == t.data_ptr()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("FloatTensor", "float32"),
        ("DoubleTensor", "float64"),
        ("HalfTensor", "float16"),
        ("BFloat16Tensor", "bfloat16"),
        ("ByteTensor", "uint8"),
        ("CharTensor", "int8"),
        ("ShortTensor", "int16"),
        ("IntTensor", "int32"),
        ("LongTensor", "int64"),
        ("BoolTensor", "bool"),
    ],
)
def test_legacy_typed_constructors(name, dtype):
    constructor = getattr(torch, name)
    assert constructor(2, 3).shape == (2, 3)
    t = constructor([0, 1])
    assert t.dtype is getattr(torch, dtype) and t.tolist() == [0, 1]
    assert isinstance(t, constructor) and not isinstance(t.to(torch.complex64), constructor)


def test_new_constructors_follow_the_tensor():
    t = torch.zeros(1, dtype=torch.float64)
    assert t.new_zeros(2).dtype is torch.float64
    assert t.new_ones((2, 2)).shape == (2, 2)
    assert t.new_full((2,), 3).tolist() == [3, 3]
    assert t.new_empty(3).shape == (3,)
    assert t.new_tensor([1, 2]).dtype is torch.float64
    assert t.new(2, 2).dtype is torch.float64


def test_sizes_are_taken_as_numbers_tuple_list_or_size():
    for sizes in ((2, 3), ([2, 3],), ((2, 3),), (torch.Size([2, 3]),)):
        assert torch.zeros(*sizes).shape == (2, 3)
    assert torch.zeros(size=(2, 3)).shape == (2, 3)
    assert torch.zeros(()).shape == () and torch.zeros(torch.tensor(2), 3).shape == (2, 3)


def test_a_size_in_place_of_a_tensor_is_refused():
    with pytest.raises(
        TypeError, match=r"randn_like\(\): argument 'input' \(position 1\) must be Tensor, not torch.Size"
    ):
        torch.randn_like(torch.zeros(2).size())


def test_creation_keywords():
    t = torch.ones(2, dtype=torch.float64, requires_grad=True, device="cpu")
    assert t.requires_grad and t.dtype is torch.float64
    assert torch.arange(1, 10, 3).tolist() == [1, 4, 7]
    assert torch.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert torch.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.eye(2).tolist() == [[1, 0], [0, 1]]
    assert torch.full((2,), 1.5).tolist() == [1.5, 1.5] and torch.full((1,), 2).dtype is torch.int64


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match=r"zeros\(\): argument 'size' \(position 1\) must be tuple of ints, not str"):
        torch.zeros("a")
    with pytest.raises(
        TypeError, match=r"sum\(\) received an invalid combination of arguments - got \(colour=int, \), but"
    ):
        torch.ones(2).sum(colour=3)


def test_numpy_is_imported_only_when_needed():
    if torch.__name__ == "torch":
        pytest.skip("a claim of our own")
    program = (
        "import sys, rustorch as torch\n"
        "t = torch.tensor([[1.0, 2.0]], requires_grad=True); (t * 2).sum().backward(); repr(t); t.tolist()\n"
        "assert 'numpy' not in sys.modules\n"
        "t.detach().numpy()\n"
        "assert 'numpy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_there_is_no_buffer_protocol():
    assert bytes(torch.tensor([1, 2, 3], dtype=torch.uint8)) == b"\x01\x02\x03"
    with pytest.raises(TypeError):
        memoryview(torch.zeros(2))

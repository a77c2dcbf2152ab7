"""Data in and out: Python's sequences, NumPy's arrays, buffers."""

import gc
import warnings
import weakref

import pytest

import rustorch as torch

numpy = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, torch.int64, ()),
        (True, torch.bool, ()),
        (1.5, torch.float32, ()),
        (1j, torch.complex64, ()),
        ([], torch.float32, (0,)),
        ([[], []], torch.float32, (2, 0)),
        ([1, 2.5], torch.float32, (2,)),
        ([True, 2], torch.int64, (2,)),
        ([1, 1j], torch.complex64, (2,)),
        (range(3), torch.int64, (3,)),
        (((1, 2), [3, 4]), torch.int64, (2, 2)),
        ([numpy.float64(1)], torch.float64, (1,)),
        ([numpy.int32(1)], torch.int32, (1,)),
        (numpy.float32(2), torch.float32, ()),
        (numpy.arange(3, dtype=numpy.int8), torch.int8, (3,)),
        ([torch.tensor(1), torch.tensor(2)], torch.int64, (2,)),
    ],
)
def test_the_shape_and_dtype_of_data(data, dtype, shape):
    t = torch.tensor(data)
    assert t.dtype is dtype and t.shape == shape


def test_values_arrive():
    assert torch.tensor([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[1, 2], [3, 4]]
    assert torch.tensor([-1], dtype=torch.uint8).item() == 255 and torch.tensor([1.9], dtype=torch.int64).item() == 1
    assert torch.tensor([0, 2], dtype=torch.bool).tolist() == [False, True]
    assert torch.tensor([1e40]).item() == float("inf") and torch.tensor([1], dtype=torch.bfloat16).item() == 1
    assert torch.tensor([2**64 - 1], dtype=torch.uint64).item() == 2**64 - 1


@pytest.mark.parametrize(
    "dtype",
    [
        "float64",
        "float32",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
        "complex64",
        "complex128",
    ],
)
def test_arrays_share_memory_both_ways(dtype):
    array = numpy.zeros((2, 3), dtype=dtype)
    t = torch.from_numpy(array)
    assert str(t.dtype) == f"torch.{dtype}" and t.shape == (2, 3) and t.data_ptr() == array.ctypes.data
    array[1, 2] = 1
    assert t[1, 2].item() == 1
    back = t.numpy()
    assert back.dtype == array.dtype and back.ctypes.data == array.ctypes.data and back.strides == array.strides


def test_strided_arrays():
    array = numpy.arange(12.0).reshape(3, 4)
    t = torch.from_numpy(array.T[::2])
    assert t.shape == (2, 3) and t.tolist() == array.T[::2].tolist()
    assert numpy.array_equal(torch.arange(6).view(2, 3).t().numpy(), numpy.arange(6).reshape(2, 3).T)
    with pytest.raises(ValueError, match="stride in the given numpy array is negative"):
        torch.from_numpy(array[::-1])
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(array.astype(">f8"))
    with pytest.raises(TypeError, match=r"can't convert np.ndarray of type numpy.str_"):
        torch.tensor(numpy.array(["a"]))


def test_a_tensor_keeps_its_array_and_an_array_its_tensor():
    array = numpy.zeros(1000)
    reference = weakref.ref(array)
    t = torch.from_numpy(array)
    view = t[5:]
    del array, t
    gc.collect()
    assert reference() is not None and view.sum().item() == 0
    del view
    gc.collect()
    assert reference() is None
    array = torch.ones(1000).numpy()
    gc.collect()
    assert array.sum() == 1000


def test_a_shared_storage_may_not_be_resized():
    t = torch.zeros(4)
    t.numpy()
    with pytest.raises(RuntimeError, match="not resizable"):
        t.resize_(100)
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.from_numpy(numpy.zeros(2)).resize_(100)


def test_numpy_functions_take_tensors():
    t = torch.tensor([1.0, 4.0])
    assert numpy.asarray(t).tolist() == [1, 4] and numpy.array(t, dtype=numpy.int8).dtype == numpy.int8
    assert numpy.sum(numpy.asarray(t)) == 5
    with pytest.raises(RuntimeError, match="requires grad"):
        torch.ones(1, requires_grad=True).numpy()
    assert torch.ones(1, requires_grad=True).numpy(force=True).tolist() == [1]


def test_as_tensor_shares_where_it_can():
    array = numpy.zeros(2)
    assert torch.as_tensor(array).data_ptr() == array.ctypes.data
    assert torch.as_tensor(array, dtype=torch.float32).data_ptr() != array.ctypes.data
    t = torch.zeros(2)
    assert torch.as_tensor(t) is t and torch.asarray(t) is t and torch.asarray(t, copy=True) is not t
    assert torch.tensor(array).data_ptr() != array.ctypes.data


def test_copying_a_tensor_warns():
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        t = torch.tensor(torch.ones(2, requires_grad=True))
    assert not t.requires_grad


def test_buffers():
    data = bytearray(8)
    t = torch.frombuffer(data, dtype=torch.int32)
    t[1] = 7
    assert data[4] == 7 and t.tolist() == [0, 7]
    assert torch.frombuffer(data, dtype=torch.uint8, count=2, offset=4).tolist() == [7, 0]
    with pytest.raises(BufferError):
        data.append(1)  # the tensor holds the buffer where it is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.frombuffer(b"\x01\x02", dtype=torch.uint8).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.complex64, torch.uint8, torch.float16])
def test_dlpack_both_ways(dtype):
    t = torch.zeros(2, 3, dtype=dtype).t()
    array = numpy.from_dlpack(t)
    assert array.shape == (3, 2) and array.ctypes.data == t.data_ptr() and t.__dlpack_device__() == (1, 0)
    own = torch.from_dlpack(t)
    assert own.data_ptr() == t.data_ptr() and own.stride() == t.stride() and own.dtype is dtype
    back = torch.from_dlpack(numpy.ones((2, 2), dtype=array.dtype))
    assert back.dtype is dtype and back.shape == (2, 2)


def test_dlpack_capsules_are_taken_once():
    t = torch.arange(3.0)
    capsule = t.__dlpack__()
    u = torch.from_dlpack(capsule)
    del t
    gc.collect()
    assert u.tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="consumed only once"):
        torch.from_dlpack(capsule)
    torch.ones(1).__dlpack__(max_version=(1, 0))  # a capsule that nobody takes
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(1, requires_grad=True).__dlpack__()


def test_new_tensors_follow_their_model():
    t = torch.zeros(2, dtype=torch.float64)
    assert t.new_tensor([1, 2]).dtype == torch.float64 and t.new_zeros(3, 4).shape == (3, 4)
    assert t.new_ones((2,)).tolist() == [1, 1] and t.new_full([2], 7).tolist() == [7, 7]
    assert t.new_full((1,), 1, dtype=torch.int8).dtype == torch.int8 and t.new_empty(5).shape == (5,)
    assert t.new(2, 2).dtype == torch.float64 and t.new_tensor([1.0], requires_grad=True).requires_grad


def test_old_constructors():
    assert (
        torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([1, 2]).tolist() == [1, 2] and torch.Tensor().shape == (0,)
    )
    t = torch.ones(2)
    assert torch.Tensor(t) is not t and torch.Tensor(t).data_ptr() == t.data_ptr()


def test_storages():
    t = torch.arange(4.0)
    storage = t.untyped_storage()
    assert storage.nbytes() == 16 and len(storage) == 16 and storage.data_ptr() == t.data_ptr()
    assert t[1:].untyped_storage() is storage and t.clone().untyped_storage() != storage

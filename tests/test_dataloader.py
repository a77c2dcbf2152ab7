"""The loader and collation. The recorded orders are those of PyTorch 2.13 for the same seeds."""

import collections
import warnings

import numpy as np
import pytest

import rustorch as torch
from rustorch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    default_collate,
    default_convert,
)

Point = collections.namedtuple("Point", ["x", "y"])


def batches(loader):
    return [batch.tolist() for batch in loader]


class Stream(IterableDataset):
    def __init__(self, length, told=None):
        self.length = length
        self.told = told

    def __iter__(self):
        return iter(range(self.length))

    def __len__(self):
        if self.told is None:
            raise TypeError("no length")
        return self.told


# ---- order


def test_shuffled_epochs_and_the_generator_after_them() -> None:
    torch.manual_seed(7)
    loader = DataLoader(range(10), batch_size=4, shuffle=True)
    assert batches(loader) == [[3, 2, 7, 8], [6, 1, 5, 9], [0, 4]]
    assert batches(loader) == [[1, 3, 5, 2], [8, 9, 6, 7], [4, 0]]
    assert torch.randint(100, (3,)).tolist() == [88, 61, 58]


def test_own_generator() -> None:
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(range(6), batch_size=2, shuffle=True, generator=generator)
    assert batches(loader) == [[1, 3], [2, 0], [4, 5]]
    assert torch.randint(100, (2,), generator=generator).tolist() == [25, 89]


def test_an_epoch_draws_once_even_without_shuffling() -> None:
    torch.manual_seed(0)
    after_draw = torch.empty((), dtype=torch.int64).random_() * 0 + torch.randint(1000, ())
    torch.manual_seed(0)
    list(DataLoader(range(3)))
    assert torch.randint(1000, ()) == after_draw


# ---- batches


def test_last_batch_and_length() -> None:
    assert batches(DataLoader(range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert batches(DataLoader(range(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(DataLoader(range(5), batch_size=2)) == 3
    assert len(DataLoader(range(5), batch_size=2, drop_last=True)) == 2
    assert len(DataLoader(range(5), batch_size=None)) == 5


def test_batch_size_none_gives_samples() -> None:
    assert list(DataLoader([1, "a", {"k": 2.5}], batch_size=None)) == [1, "a", {"k": 2.5}]
    (array,) = DataLoader([np.arange(3)], batch_size=None)
    assert torch.equal(array, torch.arange(3))


def test_enumerating_pairs() -> None:
    loader = DataLoader(TensorDataset(torch.arange(6.0).view(3, 2), torch.arange(3)), batch_size=2)
    for _, (inputs, labels) in enumerate(loader, 0):
        assert inputs.shape == (len(labels), 2)
    assert type(next(iter(loader))) is list


def test_next_in_both_forms() -> None:
    iterator = iter(DataLoader(range(2)))
    assert iterator.next().tolist() == [0]
    assert next(iterator).tolist() == [1]
    with pytest.raises(StopIteration):
        iterator.next()
    assert len(iterator) == 2


def test_collate_fn_samplers_and_batches_of_keys() -> None:
    assert list(DataLoader(range(4), batch_size=2, collate_fn=sum)) == [1, 5]
    assert batches(DataLoader("abc", sampler=[2, 0], collate_fn=lambda b: torch.tensor([ord(b[0])]))) == [[99], [97]]
    assert batches(DataLoader({"a": 1, "b": 2}, batch_sampler=[["b", "a"]])) == [[2, 1]]


def test_getitems_is_asked_for_a_whole_batch() -> None:
    asked = []

    class Batched(Dataset):
        def __len__(self):
            return 3

        def __getitems__(self, indices):
            asked.append(indices)
            return indices

    assert batches(DataLoader(Batched(), batch_size=2)) == [[0, 1], [2]]
    assert asked == [[0, 1], [2]]


# ---- streams


def test_streams() -> None:
    assert batches(DataLoader(Stream(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert batches(DataLoader(Stream(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Stream(5, told=5), batch_size=2)) == 3
    with pytest.raises(TypeError):
        len(DataLoader(Stream(5)))


def test_a_stream_longer_than_it_told_warns() -> None:
    loader = DataLoader(Stream(3, told=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(loader)
    len(loader)
    with pytest.warns(UserWarning, match=r"was reported to be 2\(when accessing len\(dataloader\)\), but 3 samples"):
        list(loader)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_a_stream_takes_no_sampler(options) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"DataLoader with IterableDataset: expected unspecified {name} option") as e:
        DataLoader(Stream(3), **options)
    assert str(e.value).endswith(f"but got {name}={value}")


# ---- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative; use num_workers=0"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing."),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with multi-process loading"),
        ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive with batch_size"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
    ],
)
def test_options_that_exclude_each_other(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        DataLoader(range(3), **options)


def test_fixed_attributes() -> None:
    loader = DataLoader(range(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 2
    loader.timeout = 1
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(loader)


def test_pinning_warns() -> None:
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        iter(DataLoader(range(3), pin_memory=True))


# ---- collation


def test_collating_leaves() -> None:
    assert default_collate([1, 2]).dtype == torch.int64
    assert default_collate([1.5, 2.5]).dtype == torch.float64
    assert default_collate([True, False]).tolist() == [True, False]
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([torch.zeros(2), torch.ones(2)]).tolist() == [[0, 0], [1, 1]]
    assert default_collate([np.zeros(2, np.int16), np.ones(2, np.int16)]).dtype == torch.int16
    # Mixed element types are promoted as tensors are; NumPy would make float64 of both.
    assert default_collate([np.ones(2, np.float32), np.ones(2, np.int64)]).dtype == torch.float32
    assert default_collate([np.ones(2, np.int32), np.ones(2, np.float16)]).dtype == torch.float16
    assert default_collate([np.float32(1), np.float32(2)]).dtype == torch.float32
    assert default_collate([np.float64(1), np.float64(2)]).dtype == torch.float64


def test_collating_structures() -> None:
    assert default_collate([{"a": 0, "b": "x"}, {"a": 1, "b": "y"}])["b"] == ["x", "y"]
    point = default_collate([Point(0, [1, 2]), Point(3, [4, 5])])
    assert type(point) is Point
    assert point.x.tolist() == [0, 3]
    assert [column.tolist() for column in point.y] == [[1, 4], [2, 5]]
    ordered = default_collate([collections.OrderedDict(a=1)])
    assert type(ordered) is collections.OrderedDict


def test_collating_refusals() -> None:
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy arrays, numbers"):
        default_collate([object()])
    with pytest.raises(TypeError, match="found object"):
        default_collate([np.array([None])])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        default_collate([torch.zeros(2), torch.zeros(3)])


def test_collate_map_can_be_extended() -> None:
    from rustorch.utils.data._utils.collate import collate

    class Word(str):
        pass

    joined = collate([Word("a"), Word("b")], collate_fn_map={str: lambda batch, *, collate_fn_map: "".join(batch)})
    assert joined == "ab"


def test_default_convert() -> None:
    converted = default_convert({"x": np.array([1.0]), "y": (np.int64(3), "s"), "z": Point(np.array(1), 2)})
    assert converted["x"].dtype == torch.float64
    assert converted["y"][0].item() == 3
    assert converted["y"][1] == "s"
    assert converted["z"].y == 2
    texts = np.array(["a"])
    assert default_convert(texts) is texts

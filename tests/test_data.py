"""Data sets and samplers. The recorded orders are those of PyTorch 2.13 for the same seeds."""

import pytest

import rustorch as torch
from rustorch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Stream(IterableDataset):
    def __init__(self, *samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)


# ---- data sets


def test_tensor_dataset_gives_rows() -> None:
    dataset = TensorDataset(torch.arange(6).view(3, 2), torch.tensor([7, 8, 9]))
    assert len(dataset) == 3
    row, label = dataset[1]
    assert row.tolist() == [2, 3]
    assert label.item() == 8
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(torch.zeros(2), torch.zeros(3))


def test_dataset_without_getitem_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Subclasses of Dataset should implement __getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError):
        len(Dataset())


def test_stack_dataset() -> None:
    assert StackDataset("ab", "cd")[1] == ("b", "d")
    assert StackDataset(x="ab", y="cd")[0] == {"x": "a", "y": "c"}
    nested = StackDataset(StackDataset("ab", "cd"), [1, 2])
    assert nested.__getitems__([1, 0]) == [(("b", "d"), 2), (("a", "c"), 1)]
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset("ab", "c")
    with pytest.raises(ValueError, match="At least one dataset should be passed"):
        StackDataset()
    with pytest.raises(ValueError, match="both types are given"):
        StackDataset("ab", y="cd")


def test_stack_dataset_refuses_a_wrong_number_of_nested_samples() -> None:
    class Short(Dataset):
        def __len__(self):
            return 2

        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="Nested dataset's output size mismatch"):
        StackDataset(Short(), "ab").__getitems__([0, 1])


def test_concat_dataset() -> None:
    both = ConcatDataset(["ab", "", "cde"])
    assert [both[i] for i in range(-5, 5)] == list("abcdeabcde")
    assert both.cumulative_sizes == [2, 2, 5]
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        both[-6]
    with pytest.raises(AssertionError, match="datasets should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="ConcatDataset does not support IterableDataset"):
        ConcatDataset([Stream()])
    with pytest.warns(FutureWarning, match="is renamed to `cumulative_sizes`"):
        assert both.cummulative_sizes == [2, 2, 5]


def test_adding_datasets() -> None:
    rows = TensorDataset(torch.arange(2))
    assert isinstance(rows + rows, ConcatDataset)
    assert len(rows + rows) == 4
    assert list(Stream(1, 2) + Stream(3)) == [1, 2, 3]


def test_chain_dataset_takes_streams_only() -> None:
    with pytest.raises(AssertionError, match="ChainDataset only supports IterableDataset"):
        list(ChainDataset([Stream(1), [2]]))
    with pytest.raises(TypeError):
        len(ChainDataset([Stream(1)]))


def test_subset() -> None:
    subset = Subset("abcde", [4, 0, 2])
    assert len(subset) == 3
    assert subset[1] == "a"
    assert subset.__getitems__([0, 2]) == ["e", "c"]
    assert Subset(torch.arange(5) * 10, [4, 0, 2])[[0, 1]].tolist() == [40, 0]


def test_subset_with_its_own_getitem_needs_getitems() -> None:
    class Upper(Subset):
        def __getitem__(self, index):
            return super().__getitem__(index).upper()

    with pytest.raises(NotImplementedError, match="Upper overrides __getitem__ but not __getitems__"):
        Upper("ab", [0])


def test_random_split_by_lengths_and_fractions() -> None:
    first, second = random_split(range(10), [3, 7], generator=seeded(42))
    assert list(first.indices) == [2, 6, 1]
    assert list(second.indices) == [8, 4, 5, 0, 9, 3, 7]
    assert [len(part) for part in random_split(range(11), [0.3, 0.3, 0.4])] == [4, 3, 4]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length of the input dataset!"):
        random_split(range(10), [3, 3])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(1), [0.5, 0.5])


# ---- samplers


def test_random_sampler_order_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    # fmt: off
    assert list(RandomSampler(range(5), replacement=True, num_samples=40)) == [
        1, 0, 4, 3, 4, 0, 2, 3, 4, 1, 3, 0, 1, 4, 0, 0, 3, 3, 0, 0, 1, 4, 0, 2, 3, 3, 4, 2, 2, 2, 2, 4, 4, 1, 3, 3,
        3, 2, 3, 4,
    ]
    # fmt: on
    assert list(RandomSampler(range(3), num_samples=7)) == [0, 2, 1, 0, 1, 2, 0]
    assert list(SubsetRandomSampler([10, 20, 30, 40])) == [40, 20, 10, 30]


def test_random_sampler_refuses_what_pytorch_refuses() -> None:
    with pytest.raises(TypeError, match="replacement should be a boolean value, but got replacement=1"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ValueError, match="num_samples should be a positive integer value, but got num_samples=0"):
        RandomSampler(range(0))


def test_random_sampler_follows_a_growing_source() -> None:
    source = [1]
    sampler = RandomSampler(source)
    source.append(2)
    assert len(sampler) == 2
    assert sorted(sampler) == [0, 1]


def test_weighted_random_sampler() -> None:
    weights = [0.1, 0.9, 0.4, 0.7, 3.0, 0.6]
    assert list(WeightedRandomSampler(weights, 5, True, generator=seeded(1))) == [1, 2, 2, 2, 4]
    weights = [0.9, 0.4, 0.05, 0.2, 0.3, 0.1]
    assert list(WeightedRandomSampler(weights, 5, False, generator=seeded(1))) == [0, 1, 3, 5, 4]
    with pytest.raises(ValueError, match="num_samples should be a positive integer value, but got num_samples=True"):
        WeightedRandomSampler(weights, True)
    with pytest.raises(ValueError, match=r"weights should be a 1d sequence but given weights have shape \(1, 2\)"):
        WeightedRandomSampler([[0.5, 0.5]], 1)


def test_batch_sampler() -> None:
    assert list(BatchSampler(SequentialSampler("abcde"), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(SequentialSampler("abcde"), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(SequentialSampler("abcde"), 2, False)) == 3
    assert len(BatchSampler(SequentialSampler("abcde"), 2, True)) == 2
    for size in (0, True, 1.5):
        with pytest.raises(ValueError, match="batch_size should be a positive integer value"):
            BatchSampler(range(3), size, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean value, but got drop_last=1"):
        BatchSampler(range(3), 1, 1)


def test_distributed_sampler_shares_equally() -> None:
    sampler = DistributedSampler(range(10), num_replicas=3, rank=1, seed=5)
    assert list(sampler) == [4, 3, 2, 1]
    sampler.set_epoch(1)
    assert list(sampler) == [7, 8, 2, 0]
    shares = [list(DistributedSampler(range(10), 4, rank, shuffle=False, drop_last=True)) for rank in range(4)]
    assert shares == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert list(DistributedSampler(range(2), 5, 4, shuffle=False)) == [0]
    with pytest.raises(ValueError, match=r"Invalid rank 3, rank should be in the interval \[0, 2\]"):
        DistributedSampler(range(10), 3, 3)


def test_sampler_base_is_abstract() -> None:
    with pytest.raises(NotImplementedError):
        iter(Sampler())

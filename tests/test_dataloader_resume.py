"""A loader goes on where another one was: the same stream as without the interruption."""

import random
from itertools import islice

import pytest

import rustorch as torch
from rustorch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)


class Noisy:
    """Every sample is its index and a number drawn for it."""

    def __init__(self, length=24):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.tensor([index, random.randrange(10**9)])


class Eager(Sampler):
    def __iter__(self):
        return iter(torch.randperm(24).tolist())

    def __len__(self):
        return 24


def seeded(seed):
    return torch.Generator().manual_seed(seed)


ORDERS = {
    "shuffled": lambda: {"shuffle": True},
    "sequential": dict,
    "own generator": lambda: {"shuffle": True, "generator": seeded(3)},
    "replacement": lambda: {"sampler": RandomSampler(range(24), replacement=True, num_samples=40)},
    "two generators": lambda: {
        "sampler": RandomSampler(range(24), generator=seeded(1)),
        "generator": seeded(2),
    },
    "subset": lambda: {"sampler": SubsetRandomSampler(range(24))},
    "weighted": lambda: {"sampler": WeightedRandomSampler([1.0] * 24, 24)},
    "drawn at once": lambda: {"sampler": Eager()},
}


def samples(batches):
    return torch.cat([batch[0] if isinstance(batch, list) else batch for batch in batches]).tolist()


def test_the_seed_s_state_is_a_few_integers() -> None:
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True)
    batches = iter(loader)
    next(batches)
    assert [value for value in loader.state_dict().values() if not isinstance(value, int)] == [None, [], None]


@pytest.mark.parametrize("taken", [0, 1, 3, 6])
@pytest.mark.parametrize("name", ORDERS)
def test_order_goes_on(name, taken) -> None:
    torch.manual_seed(5)
    loader = DataLoader(range(24), batch_size=4, **ORDERS[name]())
    list(loader)
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    state = loader.state_dict()
    now = torch.get_rng_state()
    rest = [batch.tolist() for batch in batches]
    following = [batch.tolist() for batch in loader]
    if taken == 0:
        return
    # Another program: its own generators, the default one as the first program's was.
    options = ORDERS[name]()
    torch.set_rng_state(now)
    other = DataLoader(range(24), batch_size=4, **options)
    other.load_state_dict(state)
    assert [batch.tolist() for batch in other] == rest
    assert [batch.tolist() for batch in other] == following


@pytest.mark.parametrize(("before", "after", "size"), [(1, 2, 4), (2, 1, 3), (2, 5, 4)])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_samples_and_their_random_numbers_on_other_workers(before, after, size) -> None:
    torch.manual_seed(6)
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=before)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    state = loader.state_dict()
    rest = samples(batches)
    other = DataLoader(Noisy(), batch_size=size, shuffle=True, num_workers=after)
    other.load_state_dict(state)
    assert samples(other) == rest


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("dataset", [Noisy(), TensorDataset(torch.arange(24).view(24, 1))], ids=["python", "tensors"])
def test_workers_that_stay_go_on_in_their_epoch(dataset, seed) -> None:
    def make():
        generator = None if seed is None else seeded(seed)
        options = {"batch_size": 4, "num_workers": 2, "persistent_workers": True, "collate_fn": collate}
        return DataLoader(dataset, shuffle=True, generator=generator, **options)

    collate = torch.stack if isinstance(dataset, Noisy) else None
    loader = make()
    list(loader)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = samples(batches)
    other = make()
    other.load_state_dict(state)
    assert samples(other) == rest
    loader.load_state_dict(state)
    assert samples(loader) == rest


def test_a_state_that_was_loaded_can_be_saved_again() -> None:
    loader = DataLoader(range(8), shuffle=True)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    other = DataLoader(range(8), shuffle=True)
    other.load_state_dict(state)
    assert other.state_dict() == state
    resumed = iter(other)
    assert other.state_dict() == state
    next(resumed)
    assert other.state_dict()["samples"] == 2


def test_between_epochs_there_is_nothing_to_go_on_from() -> None:
    loader = DataLoader(range(4), shuffle=True)
    assert loader.state_dict()["batches"] == 0
    list(loader)
    state = loader.state_dict()
    assert state["batches"] == 0
    loader.load_state_dict(state)
    assert len(list(loader)) == 4


class Counting(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        start = 100 * info.id if info else 0
        for index in range(start, start + 9):
            yield torch.tensor([index, random.randrange(10**9)])


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_are_replayed(workers) -> None:
    random.seed(1)
    loader = DataLoader(Counting(), batch_size=2, num_workers=workers)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    state = loader.state_dict()
    rest = samples(batches)
    random.seed(1)
    other = DataLoader(Counting(), batch_size=2, num_workers=workers)
    other.load_state_dict(state)
    assert samples(other) == rest
    with pytest.raises(ValueError, match="a stream can only be resumed as it was begun"):
        DataLoader(Counting(), batch_size=2, num_workers=1).load_state_dict(state)


def test_another_data_set_is_refused() -> None:
    loader = DataLoader(TensorDataset(torch.zeros(4, 2)))
    next(iter(loader))
    batches = iter(loader)
    next(batches)
    for other in (TensorDataset(torch.zeros(5, 2)), TensorDataset(torch.zeros(4, 3)), [1, 2, 3, 4]):
        with pytest.raises(ValueError, match="the state belongs to another data set"):
            DataLoader(other).load_state_dict(loader.state_dict())
    with pytest.raises(ValueError, match="the state has version 9, this loader reads version 1"):
        loader.load_state_dict({**loader.state_dict(), "version": 9})


def batches_of(loader):
    return [[tensor.tolist() for tensor in batch] if isinstance(batch, list) else batch.tolist() for batch in loader]


@pytest.mark.parametrize("dataset", [Noisy(), TensorDataset(torch.arange(24).view(24, 1))], ids=["python", "tensors"])
def test_workers_that_stay_are_sent_back(dataset) -> None:
    torch.manual_seed(2)
    loader = DataLoader(dataset, batch_size=2, shuffle=True, num_workers=2, persistent_workers=True)
    states, rest = [], []
    for epoch in range(2):
        batches = iter(loader)
        for _ in range(3 + epoch):
            next(batches)
        states.append(loader.state_dict())
        rest.append(batches_of(batches))
    now = torch.get_rng_state()
    following = batches_of(loader)
    client = loader._iterator._client
    workers = client.processes()
    for turn in (0, 1, 1, 0, 0, 1):
        loader.load_state_dict(states[turn])
        batches = iter(loader)
        assert batches_of(islice(batches, 2)) == rest[turn][:2]
        loader.load_state_dict(states[turn])
        assert batches_of(loader) == rest[turn]
    torch.set_rng_state(now)
    assert batches_of(loader) == following
    assert loader._iterator._client is client
    assert client.processes() == workers


def test_an_epoch_that_is_broken_off_leaves_nothing_for_the_next() -> None:
    plain = TensorDataset(torch.arange(64))
    for options in ({}, {"persistent_workers": True}):
        loader = DataLoader(plain, batch_size=4, num_workers=2, **options)
        expected = batches_of(loader)
        for taken in (0, 1, 5, 15):
            assert batches_of(islice(loader, taken)) == expected[:taken]
        assert batches_of(loader) == expected

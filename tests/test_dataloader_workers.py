"""Loading with worker processes. The recorded orders and numbers are those of PyTorch 2.13 for the same seeds."""

import collections
import os
import random
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import rustorch as torch
from rustorch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

Pair = collections.namedtuple("Pair", ["x", "y"])


def plain(batch):
    return batch.tolist() if hasattr(batch, "tolist") else batch


def epochs(loader, count=2):
    return [[plain(batch) for batch in loader] for _ in range(count)]


class Function(Dataset):
    """Samples are what a function says of an index."""

    def __init__(self, function, length=8):
        self.function, self.length = function, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.function(index)


class Shares(IterableDataset):
    """Every worker gives so many numbers of its own hundred."""

    def __init__(self, *lengths):
        self.lengths = lengths

    def __iter__(self):
        worker = get_worker_info().id
        return iter(range(100 * worker, 100 * worker + self.lengths[worker]))


class EagerSampler(Sampler):
    """Draws when it is asked for an iterator."""

    def __init__(self, length):
        self.length = length

    def __iter__(self):
        return iter(torch.randperm(self.length).tolist())

    def __len__(self):
        return self.length


# ---- order

ORDERS = {
    "shuffled": (
        lambda **k: DataLoader(range(10), batch_size=4, shuffle=True, **k),
        ([[[3, 2, 7, 8], [6, 1, 5, 9], [0, 4]], [[1, 3, 5, 2], [8, 9, 6, 7], [4, 0]]], 432988),
        ([[[3, 2, 7, 8], [6, 1, 5, 9], [0, 4]], [[1, 0, 5, 7], [8, 2, 3, 4], [9, 6]]], 259287),
    ),
    "eager": (
        lambda **k: DataLoader(range(6), sampler=EagerSampler(6), batch_size=4, **k),
        ([[[1, 2, 5, 3], [0, 4]], [[5, 4, 0, 2], [3, 1]]], 457262),
        ([[[1, 2, 5, 3], [0, 4]], [[5, 4, 3, 1], [0, 2]]], 296008),
    ),
    "subset": (
        lambda **k: DataLoader(range(6), sampler=SubsetRandomSampler([3, 1, 2]), batch_size=None, **k),
        ([[1, 3, 2], [2, 3, 1]], 432988),
        ([[1, 3, 2], [1, 2, 3]], 259287),
    ),
    "weighted": (
        lambda **k: DataLoader(
            range(6), sampler=WeightedRandomSampler([1.0, 2, 3, 4, 5, 6], 5), batch_size=2, drop_last=True, **k
        ),
        ([[[2, 5], [4, 5]], [[4, 5], [5, 1]]], 129708),
        ([[[2, 5], [4, 5]], [[3, 4], [5, 5]]], 32895),
    ),
}


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ORDERS)
def test_order_and_draws_are_those_of_pytorch(name, workers, persistent) -> None:
    make, fresh, kept = ORDERS[name]
    torch.manual_seed(7)
    loader = make(num_workers=workers, persistent_workers=persistent)
    assert (epochs(loader), int(torch.randint(10**6, ()))) == (kept if persistent else fresh)


@pytest.mark.parametrize(
    ("lengths", "size", "expected"),
    [
        ((1, 4), 1, [[0], [100], [101], [102], [103]]),
        ((3, 3), 2, [[0, 1], [100, 101], [2], [102]]),
        ((0, 5), None, [100, 101, 102, 103, 104]),
        ((5, 0), 2, [[0, 1], [2, 3], [4]]),
        ((2, 5, 0, 3), 2, [[0, 1], [100, 101], [300, 301], [102, 103], [302], [104]]),
    ],
)
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_streams_take_turns(lengths, size, expected, persistent) -> None:
    options = {"batch_size": size, "num_workers": len(lengths), "persistent_workers": persistent}
    assert epochs(DataLoader(Shares(*lengths), **options)) == [expected, expected]


def test_seeds_of_streams_are_those_of_pytorch() -> None:
    class Draws(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            for _ in range(2):
                numbers = (random.randint(0, 10**6), int(torch.randint(10**6, ())), np.random.randint(10**6))
                yield torch.tensor([info.id, info.seed % 1000, *numbers])

    torch.manual_seed(2)
    assert epochs(DataLoader(Draws(), num_workers=2, batch_size=None), 1) == [
        [
            [0, 495, 81027, 888828, 596065],
            [1, 496, 731527, 873883, 623657],
            [0, 495, 494402, 650209, 887885],
            [1, 496, 867209, 972878, 305265],
        ]
    ]


# ---- random numbers


def test_random_numbers_belong_to_the_sample() -> None:
    def draw(index):
        draws = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(()).item()]
        if index % 3:  # what is left over of one sample must not reach the next
            random.gauss(0, 1)
            np.random.randn()
        return torch.tensor(draws, dtype=torch.float64)

    def run(workers, batch_size):
        torch.manual_seed(4)
        loader = DataLoader(Function(draw, 20), batch_size=batch_size, shuffle=True, num_workers=workers)
        return torch.cat(list(loader))

    one = run(1, 4)
    assert torch.equal(run(2, 4), one)
    assert torch.equal(run(2, 7), one)
    assert len(set(one.flatten().tolist())) == 100
    torch.manual_seed(4)
    twice = epochs(DataLoader(Function(draw, 20), batch_size=20, num_workers=1, persistent_workers=True))
    assert twice[0] != twice[1]


def test_functions_imported_by_name_are_reseeded() -> None:
    from random import uniform

    from numpy.random import rand

    torch.manual_seed(0)
    loader = DataLoader(Function(lambda _: (uniform(0, 1), rand()), 6), batch_size=3, num_workers=2)
    assert len(set(torch.stack([torch.stack(batch) for batch in loader]).flatten().tolist())) == 12


# ---- workers


def test_worker_info() -> None:
    def seen(_):
        info = get_worker_info()
        return info.id, info.num_workers, info.dataset.length, torch.get_num_threads(), repr(info)[:39]

    assert get_worker_info() is None
    ids, count, length, threads, text = next(iter(DataLoader(Function(seen), batch_size=2, num_workers=2)))
    assert ids.tolist() in ([0, 0], [1, 1])
    assert (count.tolist(), length.tolist(), threads.tolist()) == ([2, 2], [8, 8], [1, 1])
    assert text[0].startswith(f"WorkerInfo(id={ids[0]}, num_workers=2, seed=")


def test_a_worker_computes_with_one_thread_unless_told_otherwise(monkeypatch) -> None:
    def threads(index):
        return torch.get_num_threads(), os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS")

    def seen():
        (found,) = DataLoader(Function(threads, 1), batch_size=None, num_workers=1)
        return found

    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert seen() == [1, "1", None]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert seen() == [1, None, "3"]


def test_a_worker_s_program_loads_little() -> None:
    """What it imports stands before its first batch."""
    code = "import sys, rustorch.utils.data._utils.program; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"cloudpickle", "numpy", "hashlib", "subprocess", "logging", "rustorch.nn"} & set(loaded)


def test_worker_init_fn_runs_in_every_worker() -> None:
    def prepare(worker):
        get_worker_info().dataset.offset = 10 * (worker + 1)

    dataset = Function(None, 4)
    dataset.__class__ = type("Shifted", (Function,), {"__getitem__": lambda self, index: self.offset + index})
    (epoch,) = epochs(DataLoader(dataset, num_workers=2, worker_init_fn=prepare), 1)
    assert all(sample - index in (10, 20) for index, (sample,) in enumerate(epoch))


def test_changes_of_the_data_set_reach_new_workers_only() -> None:
    dataset = Function(None, 2)
    dataset.shift = 0
    dataset.__class__ = type("Shifted", (Function,), {"__getitem__": lambda self, index: self.shift + index})
    for persistent, second in ((False, [[5], [6]]), (True, [[0], [1]])):
        dataset.shift = 0
        loader = DataLoader(dataset, num_workers=1, persistent_workers=persistent)
        assert epochs(loader, 1) == [[[0], [1]]]
        dataset.shift = 5
        assert epochs(loader, 1) == [second]


def test_batches_of_any_kind_arrive() -> None:
    def sample(index):
        return {
            "image": np.full((2, 3), index, np.float32),
            "pair": Pair(index, torch.tensor([index, index], dtype=torch.bfloat16)),
            "text": f"n{index}",
            "when": np.datetime64("2020-01-01") + index,
        }

    batch = next(iter(DataLoader(Function(sample), batch_size=2, num_workers=1, collate_fn=lambda samples: samples)))
    assert batch[1]["image"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert isinstance(batch[1]["image"], np.ndarray)
    assert type(batch[1]["pair"]) is Pair
    assert batch[1]["pair"].y.dtype == torch.bfloat16
    assert batch[1]["when"] == np.datetime64("2020-01-02")

    class Own:
        def __init__(self, samples):
            self.samples = torch.tensor(samples)

    (own,) = DataLoader(range(3), batch_size=3, num_workers=1, collate_fn=Own)
    assert type(own) is Own
    assert own.samples.tolist() == [0, 1, 2]
    assert next(iter(DataLoader(range(3), num_workers=1, collate_fn=lambda _: (torch.zeros(0, 3), np.zeros((2, 0))))))[
        0
    ].shape == (0, 3)


def test_shared_storages_and_gradients() -> None:
    base = torch.arange(6.0)
    dataset = Function(lambda i: (base[i], other[i].item()), 6)
    other = base.view(2, 3).t().reshape(-1)[:]
    assert next(iter(DataLoader(dataset, batch_size=2, num_workers=1)))[1].tolist() == [0, 3]
    leaf = next(iter(DataLoader(range(1), num_workers=1, collate_fn=lambda _: torch.ones(1, requires_grad=True))))
    assert leaf.requires_grad
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        next(iter(DataLoader(range(1), num_workers=1, collate_fn=lambda _: torch.ones(1, requires_grad=True) * 2)))


def test_kept_batches_are_told_of_once_and_at_the_user_s_line() -> None:
    with pytest.warns(UserWarning, match="More batches are kept") as told:
        kept = list(DataLoader(range(40), num_workers=2))
    assert [int(batch) for batch in kept] == list(range(40))
    assert [warning.filename for warning in told] == [__file__]


def test_batches_stay_when_their_loader_is_gone() -> None:
    kept = list(DataLoader(TensorDataset(torch.arange(12).view(6, 2)), batch_size=2, num_workers=2, collate_fn=list))
    assert [pair[1][0].tolist() for pair in kept] == [[2, 3], [6, 7], [10, 11]]


# ---- exceptions


class OddError(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_comes_with_class_and_traceback_and_the_rest_follows(workers) -> None:
    def sample(index):
        if index == 1:
            return {}["missing"]
        if index == 2:
            raise OddError(1, 2)
        if index == 3:
            raise UnicodeDecodeError("utf-8", b"x", 0, 1, "no")
        return index

    batches = iter(DataLoader(Function(sample, 5), num_workers=workers))
    assert next(batches).tolist() == [0]
    with pytest.raises(KeyError) as error:
        next(batches)
    lines = str(error.value).splitlines()
    assert re.fullmatch(r"Caught KeyError in DataLoader worker process [01]\.", lines[0])
    assert lines[1] == "Original Traceback (most recent call last):"
    assert lines[-1] == "KeyError: 'missing'"
    assert any('return {}["missing"]' in line for line in lines)
    with pytest.raises(RuntimeError, match="Caught OddError in DataLoader worker process"):
        next(batches)
    with pytest.raises(RuntimeError, match="Caught UnicodeDecodeError"):
        next(batches)
    assert next(batches).tolist() == [4]
    assert list(batches) == []


@pytest.mark.parametrize("exception", [SystemExit(4), KeyboardInterrupt()])
def test_what_ends_a_process_in_a_worker_does_not_end_the_caller(exception) -> None:
    def sample(index):
        if index == 1:
            raise exception
        return index

    batches = iter(DataLoader(Function(sample, 3), num_workers=1))
    assert next(batches).tolist() == [0]
    with pytest.raises(RuntimeError, match=f"Caught {type(exception).__name__} in DataLoader worker process 0"):
        next(batches)
    assert next(batches).tolist() == [2]


@pytest.mark.parametrize("native", [False, True])
def test_threads_share_an_iterator(native) -> None:
    numbers = TensorDataset(torch.arange(300)) if native else Function(lambda index: (index,), 300)
    batches, seen = iter(DataLoader(numbers, num_workers=2)), []

    def take() -> None:
        for (number,) in batches:
            seen.append(int(number))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == list(range(300))


def test_an_exception_of_worker_init_fn_arrives() -> None:
    def fail(worker):
        raise ValueError(f"no {worker}")

    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process") as error:
        next(iter(DataLoader(range(4), num_workers=2, worker_init_fn=fail)))
    assert str(error.value).rstrip().endswith(("ValueError: no 0", "ValueError: no 1"))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (lambda lock: Function([1, {"key": lock}]), "dataset.function[1]['key']"),
        (lambda lock: Function(lambda i: lock and i), "dataset.function.<closure>.lock"),
        (lambda lock: [lock], "dataset[0]"),
    ],
)
def test_what_cannot_be_pickled_is_named(place, path) -> None:
    with pytest.raises(TypeError, match="cannot pickle '_thread.lock' object") as error:
        iter(DataLoader(place(threading.Lock()), num_workers=1))
    assert f"cannot send {path} (of type lock) to the workers" in str(error.value)


def test_other_fields_of_the_job_are_named_too() -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"cannot send collate_fn\.<closure>\.lock"):
        iter(DataLoader(range(3), num_workers=1, collate_fn=lambda b: (lock, b)))


def test_timeout() -> None:
    import time

    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.2 seconds"):
        next(iter(DataLoader(Function(lambda _: time.sleep(30)), num_workers=1, timeout=0.2)))


# ---- options


def test_prefetch_and_context() -> None:
    assert DataLoader(range(3), num_workers=1).prefetch_factor == 2
    assert DataLoader(range(3)).prefetch_factor is None
    with pytest.raises(ValueError, match="multiprocessing_context option should specify a valid start method in "):
        DataLoader(range(3), num_workers=1, multiprocessing_context="threads")
    with pytest.raises(TypeError, match="should be a valid context object or a string specifying the start method"):
        DataLoader(range(3), num_workers=1, multiprocessing_context=3)
    assert epochs(DataLoader(range(2), num_workers=1, multiprocessing_context="fork"), 1) == [[[0], [1]]]


def test_too_many_workers_warn() -> None:
    with pytest.warns(UserWarning, match="This DataLoader will create 1000 worker processes in total") as seen:
        DataLoader(range(3), num_workers=1000)
    assert seen[0].filename == __file__


def test_out_of_order_is_accepted() -> None:
    assert sorted(epochs(DataLoader(range(4), num_workers=2, in_order=False), 1)[0]) == [[0], [1], [2], [3]]


def test_an_epoch_broken_off_is_dropped() -> None:
    loader = DataLoader(range(20), num_workers=2, persistent_workers=True)
    first = iter(loader)
    next(first)
    second = iter(loader)
    assert second is first
    assert [plain(batch)[0] for batch in second] == list(range(20))


def test_the_iterator_s_name_and_length() -> None:
    from rustorch.utils.data.dataloader import _MultiProcessingDataLoaderIter

    loader = DataLoader(range(5), num_workers=1, batch_size=2)
    batches = iter(loader)
    assert type(batches) is _MultiProcessingDataLoaderIter
    assert len(batches) == 3
    with pytest.raises(NotImplementedError, match="_MultiProcessingDataLoaderIter cannot be pickled"):
        batches.__getstate__()


def test_a_stream_longer_than_it_told_warns_about_workers() -> None:
    class Told(Shares):
        def __len__(self):
            return 3

    loader = DataLoader(Told(2, 2), num_workers=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(loader)
    len(loader)
    with pytest.warns(UserWarning, match="not properly configuring the IterableDataset replica at each worker"):
        list(loader)


@pytest.mark.parametrize("dataset", [TensorDataset(torch.arange(8)), range(8)], ids=["tensors", "python"])
def test_a_batch_that_outgrows_its_place_is_copied_out_and_says_so(dataset) -> None:
    def batches():
        found = iter(DataLoader(dataset, batch_size=4, num_workers=1))
        return [batch[0] if isinstance(batch, list) else batch for batch in found]

    first, second = batches()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert first.resize_(2).tolist() == [0, 1]
        assert first.resize_(4).tolist() == [0, 1, 2, 3]
        with pytest.raises(UserWarning, match="copied out of the shared memory"):
            first.resize_(400)
    assert first.tolist() == [0, 1, 2, 3], "nothing changes where the warning is an error"
    with pytest.warns(UserWarning, match="copied out of the shared memory") as told:
        first.resize_(400)
    assert (len(told), told[0].filename) == (1, __file__)
    assert first[:4].tolist() == [0, 1, 2, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first.resize_(4000)
    assert second.tolist() == [4, 5, 6, 7]

"""Random numbers from Python. The recorded values are those of PyTorch 2.13 for the same seeds."""

import copy
import pickle

import pytest

import rustorch as torch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---- generators and seeds


def test_a_seed_gives_pytorch_s_numbers() -> None:
    torch.manual_seed(0)
    assert torch.rand(5).tolist() == [
        *(0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688, 0.30742281675338745),
    ]
    torch.manual_seed(0)
    assert torch.randperm(16).tolist() == [12, 10, 9, 6, 11, 8, 13, 5, 2, 14, 15, 0, 4, 3, 7, 1]
    torch.manual_seed(0)
    assert torch.randint(0, 2**33, (3,)).tolist() == [2546248239, 7921061056, 7979815675]
    torch.manual_seed(0)
    assert torch.randn(33)[:4].tolist() == [
        *(-1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383),
    ]


def test_seeds() -> None:
    own = torch.Generator()
    assert own.initial_seed() == 67280421310721
    assert own.manual_seed(5) is own
    assert own.initial_seed() == 5
    assert own.manual_seed(-1).initial_seed() == 2**64 - 1
    assert own.seed() == own.initial_seed()
    for bad in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            own.manual_seed(bad)
    with pytest.raises(RuntimeError, match="manual_seed expected a long, but got float"):
        own.manual_seed(1.5)
    assert own.device == torch.device("cpu")


def test_states_are_kept_and_restored() -> None:
    own = generator(3)
    torch.empty(3).normal_(generator=own)  # leaves half a pair behind
    state = own.get_state()
    assert (state.dtype, state.shape) == (torch.uint8, (5056,))
    expected = torch.randn(5, generator=own).tolist()
    for other in (torch.Generator(), own.clone_state()):
        other.set_state(state)
        assert torch.randn(5, generator=other).tolist() == expected
    own.set_state(state)
    for other in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert torch.randn(5, generator=other).tolist() == expected
    with pytest.raises(TypeError, match="RNG state must be a torch.ByteTensor"):
        own.set_state(state.float())
    with pytest.raises(TypeError, match="expected a torch.ByteTensor, but got str"):
        own.set_state("state")
    with pytest.raises(RuntimeError, match="Expected a CPUGeneratorImplState of size 5056 but found"):
        own.set_state(state[1:])
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        own.set_state(torch.zeros(5056, dtype=torch.uint8))


def test_philox_can_be_moved_to_any_place() -> None:
    own = torch.Generator(algorithm="philox").manual_seed(7)
    first = torch.rand(100, generator=own)
    assert own.get_offset() == 100
    own.set_offset(40)
    assert torch.equal(torch.rand(60, generator=own), first[40:])
    assert torch.equal(torch.rand(9, generator=pickle.loads(pickle.dumps(own))), torch.rand(9, generator=own))
    with pytest.raises(RuntimeError, match="CPU Generator does not use offset"):
        generator().get_offset()
    with pytest.raises(ValueError, match="algorithm must be"):
        torch.Generator(algorithm="dice")


def test_the_default_stream_may_be_forked() -> None:
    torch.manual_seed(0)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.rand(1).item() == 0.49625658988952637


# ---- factories


def test_out_decides_the_dtype_of_the_draw() -> None:
    out = torch.empty(3, 4, dtype=torch.float64)
    assert torch.rand(3, 4, out=out, generator=generator()) is out
    assert out[0, 0].item() == 0.9700530018065531
    with pytest.raises(RuntimeError, match=r"dtype Float does not match dtype of out parameter \(Double\)"):
        torch.rand(3, 4, dtype=torch.float32, out=out)


def test_likes_follow_the_layout() -> None:
    like = torch.ones(2, 3).t()
    drawn = torch.rand_like(like, generator=generator())
    assert drawn.stride() == (1, 3)
    assert drawn.t().flatten().tolist() == torch.rand(6, generator=generator()).tolist()
    assert torch.randint_like(torch.zeros(7), 3, 9, generator=generator()).tolist() == [5, 6, 8, 3, 4, 6, 4]
    assert torch.randn_like(torch.ones(2, requires_grad=True)).requires_grad is False


def test_normal_of_tensors() -> None:
    drawn = torch.normal(torch.arange(6.0), torch.ones(6), generator=generator())
    assert drawn.tolist() == pytest.approx([1.5409961, 0.7065711, -0.1787894, 3.5684314, 2.9154778, 3.6014047])
    assert torch.normal(torch.zeros(2, 1), torch.ones(3)).shape == (2, 3)
    assert torch.normal(2.0, torch.zeros(3)).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match=r"normal expects all elements of std >= 0\.0"):
        torch.normal(torch.zeros(2), torch.tensor([1.0, -1.0]))
    with pytest.raises(RuntimeError, match=r"normal expects std >= 0\.0, but found std -1"):
        torch.normal(0.0, -1.0, (2,))


def test_bernoulli_forms() -> None:
    p = torch.full((20,), 0.3)
    expected = [0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1]
    assert torch.bernoulli(p, generator=generator(7)).tolist() == expected
    assert torch.empty(20).bernoulli_(p, generator=generator(7)).tolist() == expected
    assert torch.ones(5, dtype=torch.int64).bernoulli(0.0).tolist() == [0] * 5
    with pytest.raises(RuntimeError, match="Expected p_in >= 0 && p_in <= 1 to be true"):
        torch.bernoulli(torch.tensor([1.5]))
    with pytest.raises(NotImplementedError, match="\"bernoulli_tensor_cpu_p_\" not implemented for 'Long'"):
        torch.bernoulli(torch.tensor([1]))


def test_multinomial() -> None:
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert torch.multinomial(weights, 6, replacement=True, generator=generator()).tolist() == [3, 3, 2, 3, 3, 3]
    assert sorted(torch.multinomial(weights, 4).tolist()) == [0, 1, 2, 3]
    assert torch.multinomial(torch.ones(2, 3), 2).shape == (2, 2)
    with pytest.raises(
        RuntimeError, match=r"cannot sample n_sample > prob_dist\.size\(-1\) samples without replacement"
    ):
        torch.multinomial(weights, 5)
    with pytest.raises(RuntimeError, match="invalid multinomial distribution"):
        torch.multinomial(torch.zeros(3), 1)


# ---- methods in place


def test_filling_in_place_ends_the_history() -> None:
    leaf = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        leaf.uniform_()
    drawn = (leaf * 1).uniform_()
    assert drawn.grad_fn.name() == "UniformBackward0"
    drawn.sum().backward()
    assert leaf.grad.tolist() == [0, 0, 0]


def test_refused_dtypes_and_bounds() -> None:
    integers, floats = torch.empty(3, dtype=torch.int64), torch.empty(3)
    with pytest.raises(NotImplementedError, match="\"check_uniform_bounds\" not implemented for 'Long'"):
        integers.uniform_()
    with pytest.raises(RuntimeError, match="dtype must be a floating point but you specified Long"):
        integers.exponential_()
    with pytest.raises(RuntimeError, match="found from=2 > to=1"):
        floats.uniform_(2, 1)
    with pytest.raises(RuntimeError, match=r"geometric_ expects p to be in \(0, 1\), but got p=1\.5"):
        floats.geometric_(1.5)
    with pytest.raises(RuntimeError, match="to - 1 is out of bounds for unsigned char"):
        torch.empty(3, dtype=torch.uint8).random_(0, 300)
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^24\), 2\^24\]"):
        floats.random_(0, 2**25)


# ---- dropout


def test_dropout_family() -> None:
    ones = torch.ones(2, 3, 4, requires_grad=True)
    torch.manual_seed(0)
    dropped = torch.dropout(ones, 0.5, True)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped.detach())
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert torch.dropout(ones, 0.5, False) is ones
    channels = torch.feature_dropout(torch.ones(2, 3, 4), 0.5, True)
    assert all(len(set(channel.tolist())) == 1 for channel in channels.flatten(0, 1))
    torch.manual_seed(0)
    alpha = torch.alpha_dropout(torch.ones(6), 0.5, True)
    assert len({round(value, 4) for value in alpha.tolist()}) == 2
    plain = torch.ones(40)
    assert torch.dropout_(plain, 0.5, True) is plain
    assert set(plain.tolist()) == {0.0, 2.0}
    kept, mask = torch.native_dropout(torch.ones(40), 0.5, True)
    assert torch.equal(kept, mask * 2.0)

"""The package's front page: what it offers, and what importing it costs."""

import subprocess
import sys

import pytest

import rustorch as torch


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_forms() -> None:
    code = """
import rustorch as torch
from rustorch import nn
import rustorch.nn.functional as F
import rustorch.utils.data as td
from rustorch.autograd import Variable
from rustorch import optim
print(torch.nn is nn, torch.nn.functional is F, torch.utils.data is td)
print(torch.autograd.Variable is Variable, torch.optim is optim)
"""
    assert run(code) == "True True True\nTrue True"


def test_import_leaves_numpy_and_subpackages_alone() -> None:
    code = """
import sys
import rustorch
print([name for name in ("numpy", "rustorch.nn", "rustorch.optim", "rustorch.utils") if name in sys.modules])
"""
    assert run(code) == "[]"


def test_import_is_quick_and_small() -> None:
    code = """
import resource, time
before = time.process_time()  # not the wall clock: other programs may be running
import rustorch
took = time.process_time() - before
print(took, int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20)
"""
    best = min(tuple(map(float, run(code).split())) for _ in range(3))
    assert best[0] <= 0.100
    assert best[1] <= 45


def test_dtype_names() -> None:
    assert torch.float is torch.float32
    assert torch.double is torch.float64
    assert torch.half is torch.float16
    assert torch.long is torch.int64
    assert torch.int is torch.int32
    assert torch.short is torch.int16
    assert torch.cfloat is torch.complex64
    assert str(torch.uint8) == "torch.uint8"


def test_constants() -> None:
    assert (torch.inf, torch.newaxis, round(torch.pi, 2), round(torch.e, 2)) == (float("inf"), None, 3.14, 2.72)
    assert torch.nan != torch.nan


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'rustorch' has no attribute 'no_such_thing'"):
        torch.no_such_thing
    assert not hasattr(torch, "no_such_thing")


def test_parts_not_built_name_themselves() -> None:
    with pytest.raises(NotImplementedError, match=r"rustorch\.distributions is not built"):
        torch.distributions
    assert not hasattr(torch, "distributions")


def test_questions_about_objects() -> None:
    assert torch.is_tensor(torch.ones(1))
    assert not torch.is_tensor([1])
    assert torch.typename(torch.ones(1)) == "torch.FloatTensor"
    assert torch.typename(3) == "int"


def test_old_tensor_types() -> None:
    assert torch.FloatTensor(2, 3).shape == (2, 3)
    assert torch.FloatTensor().shape == (0,)
    assert torch.LongTensor([1, 2]).dtype == torch.int64
    assert torch.LongTensor([1.5, 2]).tolist() == [1, 2]
    assert torch.FloatTensor(torch.Size([0, 2])).shape == (0, 2)
    assert isinstance(torch.ones(1), torch.FloatTensor)
    assert not isinstance(torch.ones(1), torch.LongTensor)
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    given = torch.ones(2)
    assert torch.FloatTensor(given).data_ptr() == given.data_ptr()
    with pytest.raises(
        TypeError, match=r"expected TensorOptions\(dtype=long int, .* \(got TensorOptions\(dtype=float,"
    ):
        torch.LongTensor(given)
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence \(got float\)"):
        torch.FloatTensor(5.5)
    with pytest.raises(TypeError, match="invalid data type 'str'"):
        torch.FloatTensor("x")


def test_compile_returns_the_function() -> None:
    def double(x):
        return x * 2

    assert torch.compile(double) is double
    assert torch.compile(mode="max-autotune")(double) is double


def test_random_state() -> None:
    torch.manual_seed(5)
    assert torch.initial_seed() == 5
    state = torch.get_rng_state()
    first = torch.rand(3)
    torch.set_rng_state(state)
    assert torch.equal(torch.rand(3), first)
    torch.set_rng_state(state)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.equal(torch.rand(3), first)


def test_no_gpu() -> None:
    assert not torch.cuda.is_available()
    assert torch.cuda.device_count() == 0
    assert not torch.backends.mps.is_available()
    torch.cuda.manual_seed_all(0)
    with pytest.raises(RuntimeError):
        torch.cuda.current_device()
    torch.backends.cudnn.benchmark = True

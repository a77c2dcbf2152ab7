"""Switches for the whole program."""

import pytest

import rustorch as torch


def test_determinism() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("error")
    assert torch.get_deterministic_debug_mode() == 2
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(TypeError, match="argument 'mode'"):
        torch.use_deterministic_algorithms(1)
    with pytest.raises(RuntimeError, match="invalid value of debug_mode, expected one of"):
        torch.set_deterministic_debug_mode("x")
    with pytest.raises(RuntimeError, match="invalid value of debug_mode, expected 0, 1, or 2, but got 5"):
        torch.set_deterministic_debug_mode(5)


def test_precision() -> None:
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")


def test_default_tensor_type() -> None:
    try:
        torch.set_default_tensor_type(torch.DoubleTensor)
        assert torch.tensor(1.0).dtype == torch.float64
        torch.set_default_tensor_type("torch.FloatTensor")
        assert torch.tensor(1.0).dtype == torch.float32
        with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
            torch.set_default_tensor_type(torch.LongTensor)
        with pytest.raises(TypeError, match="invalid type object"):
            torch.set_default_tensor_type(torch.float32)
    finally:
        torch.set_default_dtype(torch.float32)


def test_default_device() -> None:
    torch.set_default_device("cpu")
    assert torch.get_default_device() == torch.device("cpu")
    torch.set_default_device(None)

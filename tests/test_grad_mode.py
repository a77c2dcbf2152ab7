"""Switching the recording of gradients on and off."""

import pytest

import rustorch as torch


@pytest.fixture
def x():
    return torch.ones(1, requires_grad=True)


def test_no_grad_as_context_and_decorator(x) -> None:
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def called():
        return torch.is_grad_enabled()

    @torch.no_grad
    def bare():
        """Doc."""
        return torch.is_grad_enabled()

    assert (called(), bare()) == (False, False)
    assert (bare.__name__, bare.__doc__) == ("bare", "Doc.")


def test_modes_end_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        1 / 0
    assert torch.is_grad_enabled()


def test_recursive_decorated_function() -> None:
    @torch.no_grad()
    def down(n):
        assert not torch.is_grad_enabled()
        return n if n == 0 else down(n - 1)

    down(3)
    assert torch.is_grad_enabled()


def test_generators_hold_the_mode_only_while_they_run() -> None:
    log = []

    @torch.no_grad()
    def steps():
        try:
            got = yield torch.is_grad_enabled()
            log.append((got, torch.is_grad_enabled()))
            try:
                yield 1
            except KeyError:
                log.append(("caught", torch.is_grad_enabled()))
            yield 2
        finally:
            log.append(("closed", torch.is_grad_enabled()))
        return 5

    generator = steps()
    assert next(generator) is False
    assert torch.is_grad_enabled()
    assert generator.send("sent") == 1
    assert generator.throw(KeyError()) == 2
    generator.close()
    assert log == [("sent", False), ("caught", False), ("closed", False)]

    def outer():
        return (yield from steps())

    assert list(outer()) == [False, 1, 2]


def test_set_grad_enabled_as_function_context_and_decorator(x) -> None:
    torch.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def off():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    assert off() is False
    with pytest.raises(TypeError):
        torch.set_grad_enabled("yes")


def test_inference_mode(x) -> None:
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
        y = x * 2
        assert y.is_inference()
        with torch.inference_mode(False):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * y

    @torch.inference_mode()
    def called():
        return torch.ones(1).is_inference()

    @torch.inference_mode
    def bare():
        return torch.ones(1).is_inference()

    assert called()
    assert bare()


def test_decorating_a_class_warns() -> None:
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @torch.no_grad()
        class Made:
            def __init__(self):
                self.recorded = torch.is_grad_enabled()

    assert Made().recorded is False

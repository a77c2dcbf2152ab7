"""no_grad, enable_grad, set_grad_enabled and inference_mode: as contexts, as decorators, as functions."""

import threading

import pytest

import rustorch as torch


def tracked():
    return (torch.ones(1, requires_grad=True) * 2).requires_grad


def test_gradients_are_on_by_default():
    assert torch.is_grad_enabled() and tracked() and not torch.is_inference_mode_enabled()


def test_no_grad_as_a_context():
    with torch.no_grad():
        assert not torch.is_grad_enabled() and not tracked()
        y = torch.ones(1, requires_grad=True) * 2
    assert tracked()
    assert y.grad_fn is None and y.is_leaf


def test_no_grad_as_a_decorator():
    @torch.no_grad()
    def decorated(x):
        "Its own words."
        return x * 2, tracked()

    y, inside = decorated(torch.ones(1, requires_grad=True))
    assert not y.requires_grad and not inside and tracked()
    assert decorated.__name__ == "decorated" and decorated.__doc__ == "Its own words."


def test_no_grad_as_a_decorator_without_parentheses():
    @torch.no_grad
    def decorated():
        return tracked()

    assert decorated() is False and tracked()


def test_no_grad_on_a_generator():
    @torch.no_grad()
    def generator():
        yield tracked()
        yield tracked()

    values = []
    for value in generator():
        values.append(value)
        assert tracked()
    assert values == [False, False]


def test_modes_end_when_an_exception_passes():
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert tracked()


def test_modes_nest():
    with torch.no_grad():
        with torch.enable_grad():
            assert tracked()
            with torch.no_grad():
                assert not tracked()
            assert tracked()
        assert not tracked()


def test_one_context_object_may_be_used_again():
    mode = torch.no_grad()
    for _ in range(2):
        with mode:
            assert not tracked()
        assert tracked()


def test_enable_grad_as_a_decorator():
    @torch.enable_grad()
    def decorated():
        return tracked()

    with torch.no_grad():
        assert decorated()


def test_set_grad_enabled_as_a_context():
    for on in (True, False):
        with torch.set_grad_enabled(on):
            assert tracked() is on
    with torch.set_grad_enabled(mode=False):
        assert not tracked()
    assert tracked()


def test_set_grad_enabled_as_a_function():
    try:
        torch.set_grad_enabled(False)
        assert not tracked()
        torch.set_grad_enabled(True)
        assert tracked()
    finally:
        torch.set_grad_enabled(True)


def test_set_grad_enabled_as_a_decorator():
    @torch.set_grad_enabled(False)
    def decorated():
        return tracked()

    assert tracked() and not decorated() and tracked()


def test_inference_mode_as_a_context():
    with torch.inference_mode():
        t = torch.ones(1)
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        assert t.is_inference() and (t + 1).is_inference()
    assert not torch.is_inference_mode_enabled() and not torch.ones(1).is_inference()


def test_inference_mode_can_be_switched_off():
    with torch.inference_mode(), torch.inference_mode(False):
        assert not torch.ones(1).is_inference()
        assert tracked()


def test_inference_mode_as_a_decorator():
    @torch.inference_mode()
    def decorated():
        return torch.ones(1)

    assert decorated().is_inference()

    @torch.inference_mode
    def bare():
        return torch.ones(1)

    assert bare().is_inference()


def test_views_of_normal_tensors_in_inference_mode_are_normal():
    t = torch.ones(2)
    with torch.inference_mode():
        view = t[0]
    assert not view.is_inference()


def test_inference_tensors_may_be_used_where_nothing_is_tracked():
    with torch.inference_mode():
        t = torch.ones(2)
    assert (t + 1).tolist() == [2, 2]
    assert t.clone().requires_grad_().requires_grad


def test_inference_tensors_refuse_requires_grad_outside():
    with torch.inference_mode():
        t = torch.ones(2)
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        t.requires_grad_()


def test_modes_belong_to_their_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tracked()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_factories_keep_requires_grad_under_no_grad():
    with torch.no_grad():
        assert torch.ones(1, requires_grad=True).requires_grad


def test_the_same_modes_live_in_autograd():
    assert torch.autograd.no_grad is torch.no_grad or issubclass(torch.no_grad, torch.autograd.grad_mode.no_grad)
    assert torch.autograd.set_grad_enabled is torch.set_grad_enabled

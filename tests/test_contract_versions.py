"""Write counters: which tensors share one, and how a saved tensor that changed is refused."""

import pytest

import rustorch as torch

CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation"


def test_a_fresh_tensor_was_never_written():
    assert torch.zeros(3)._version == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.add_(1),
        lambda t: t.zero_(),
        lambda t: t.fill_(2),
        lambda t: t.copy_(torch.ones(2, 2)),
        lambda t: t.__setitem__(0, 5.0),
        lambda t: t.normal_(),
        lambda t: torch.add(t, 1, out=t),
        lambda t: t.clamp_(0, 1),
    ],
)
def test_every_write_counts_once(write):
    t = torch.zeros(2, 2)
    write(t)
    assert t._version == 1
    write(t)
    assert t._version == 2


def test_resize_to_the_same_shape_writes_nothing():
    assert torch.zeros(2, 2).resize_(2, 2)._version == 0


def test_resize_to_another_shape_is_a_write():
    t = torch.zeros(2, 2)
    t.resize_(3, 3)
    assert t._version == 1
    t.resize_(3, 3)
    t.resize_(2, 2)
    assert t._version == 2
    assert torch.zeros(2, 2).resize_as_(torch.zeros(4))._version == 1


def test_in_place_operators_count():
    t = torch.zeros(2)
    t += 1
    t *= 2
    assert t._version == 2


def test_views_share_the_counter():
    t = torch.zeros(2, 3)
    view, transposed = t[0], t.t()
    view.add_(1)
    assert t._version == view._version == transposed._version == 1
    t.mul_(2)
    assert view._version == 2


def test_detach_shares_the_counter():
    t = torch.zeros(2, requires_grad=True)
    detached = t.detach()
    detached.add_(1)
    assert t._version == detached._version == 1


def test_data_starts_a_fresh_counter():
    t = torch.zeros(2)
    t.add_(1)
    data = t.data
    assert data._version == 0
    data.add_(1)
    assert (data._version, t._version) == (1, 1)


def test_an_alias_made_by_set_has_its_own_counter():
    t = torch.zeros(2)
    alias = torch.empty(0).set_(t)
    before = t._version
    alias.add_(1)
    assert t._version == before and t.tolist() == [1, 1]


def test_a_parameter_shares_the_counter_of_the_tensor_it_was_made_from():
    t = torch.zeros(2)
    t.add_(1)
    parameter = torch.nn.Parameter(t)
    assert parameter._version == 1
    with torch.no_grad():
        parameter.add_(1)
    assert parameter._version == t._version == 2


def test_clone_starts_a_fresh_counter():
    t = torch.zeros(2).add_(1)
    assert t.clone()._version == 0


def test_writes_under_no_grad_count():
    t = torch.zeros(2, requires_grad=True)
    with torch.no_grad():
        t.add_(1)
    assert t._version == 1


def test_inference_tensors_have_no_counter():
    with torch.inference_mode():
        t = torch.zeros(2)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        t._version


def test_a_saved_tensor_that_changed_is_refused_with_names_and_versions():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    expected = CHANGED + r": \[torch.FloatTensor \[3\]\], which is output 0 of Add, is at version 1; expected version 0"
    with pytest.raises(RuntimeError, match=expected):
        z.sum().backward()


def test_a_saved_leaf_that_changed_is_refused():
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2)
    y = x * w
    w.add_(1)
    expected = CHANGED + r": \[torch.FloatTensor \[2\]\] is at version 1; expected version 0 instead"
    with pytest.raises(RuntimeError, match=expected):
        y.sum().backward()
    assert x.grad is None


def test_a_saved_output_that_changed_is_refused():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


def test_a_change_of_what_was_not_saved_is_allowed():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_a_change_through_a_view_is_noticed():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 1
    z = y * y
    y[0].zero_()
    with pytest.raises(RuntimeError, match=CHANGED):
        z.sum().backward()


def test_a_change_through_detach_is_noticed():
    x = torch.ones(2, requires_grad=True)
    z = x * x
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        z.sum().backward()


def test_a_change_through_data_is_not_noticed():
    x = torch.ones(2, requires_grad=True)
    z = x * x
    x.data.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_data_that_tracks_gradients_shares_memory_but_no_counter():
    x = torch.ones(2)
    y = x.data.requires_grad_()
    z = y * y
    x.data.add_(1)
    z.sum().backward()
    assert y.grad.tolist() == [4, 4]


def test_a_change_through_set_alias_is_not_noticed():
    x = torch.ones(2, requires_grad=True)
    z = x * x
    alias = torch.empty(0).set_(x.detach())
    alias.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_changes_that_come_back_still_count():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    y.sub_(1)
    with pytest.raises(RuntimeError, match=r"is at version 2; expected version 0 instead"):
        z.sum().backward()


def test_the_refusal_names_the_way_to_find_the_operation():
    x = torch.ones(1, requires_grad=True)
    y = x.sigmoid()
    y.mul_(2)
    with pytest.raises(RuntimeError, match=r"Hint: enable anomaly detection to find the operation"):
        y.backward()

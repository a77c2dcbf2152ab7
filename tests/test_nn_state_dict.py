"""State dicts: names, versions, sharing; loading, its report, and the hooks around it."""

from collections import OrderedDict

import pytest

import rustorch as torch
from rustorch import nn


def small_net():
    return nn.Sequential(OrderedDict([("fc", nn.Linear(2, 1)), ("norm", nn.BatchNorm1d(1))]))


def test_names_metadata_and_sharing():
    net = small_net()
    state = net.state_dict()
    assert list(state) == [
        "fc.weight", "fc.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
        "norm.num_batches_tracked",
    ]  # fmt: skip
    assert state._metadata == {"": {"version": 1}, "fc": {"version": 1}, "norm": {"version": 2}}
    assert not state["fc.weight"].requires_grad
    state["fc.weight"].zero_()
    assert net.fc.weight.abs().sum().item() == 0
    assert net.state_dict(keep_vars=True)["fc.weight"] is net.fc.weight
    assert next(iter(net.state_dict(prefix="a."))) == "a.fc.weight"


def test_loading_copies_and_reports():
    net, other = small_net(), small_net()
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert torch.equal(net.fc.weight, other.fc.weight) and net.fc.weight is not other.fc.weight


def test_missing_unexpected_and_misshapen_are_named():
    net = small_net()
    state = net.state_dict()
    del state["fc.bias"]
    state["extra"] = torch.zeros(1)
    state["fc.weight"] = torch.zeros(3, 3)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        'Error(s) in loading state_dict for Sequential:\n\tMissing key(s) in state_dict: "fc.bias". \n\t'
        'Unexpected key(s) in state_dict: "extra". \n\tsize mismatch for fc.weight: copying a param with shape '
        "torch.Size([3, 3]) from checkpoint, the shape in current model is torch.Size([1, 2])."
    )
    state["fc.weight"] = torch.zeros(1, 2)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["fc.bias"] and result.unexpected_keys == ["extra"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['fc.bias'], unexpected_keys=['extra'])"


def test_what_is_not_a_mapping_or_a_tensor_is_refused():
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>."):
        nn.Linear(1, 1).load_state_dict([])
    with pytest.raises(RuntimeError, match='While copying the parameter named "weight", expected torch.Tensor'):
        nn.Linear(1, 1).load_state_dict({"weight": 3, "bias": torch.zeros(1)})


def test_assign_puts_the_given_tensors_in_place():
    net = nn.Linear(2, 1)
    net.weight.requires_grad_(False)
    given = {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
    net.load_state_dict(given, assign=True)
    assert net.weight.data_ptr() == given["weight"].data_ptr()
    assert isinstance(net.weight, nn.Parameter) and not net.weight.requires_grad and net.bias.requires_grad


def test_buffers_that_do_not_persist_stay_out():
    net = nn.Module()
    net.register_buffer("cache", torch.ones(1), persistent=False)
    assert list(net.state_dict()) == []
    net.load_state_dict({})


def test_old_checkpoints_without_batch_counts_load():
    net = small_net()
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("tracked")}
    net.load_state_dict(state)
    assert net.norm.num_batches_tracked.item() == 0


def test_extra_state_goes_with_the_dict():
    class Counted(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net, other = Counted(), Counted()
    net.count = 7
    state = net.state_dict()
    assert list(state) == ["_extra_state"]
    other.load_state_dict(state)
    assert other.count == 7


def test_hooks_around_saving_and_loading():
    net = nn.Linear(1, 1)
    order = []
    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: order.append("before"))
    net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.update(mark=torch.ones(1)))
    state = net.state_dict()
    assert order == ["before"] and "mark" in state

    def forget_mark(module, state_dict, prefix, *rest):
        state_dict.pop("mark")

    net.register_load_state_dict_pre_hook(forget_mark)
    net.register_load_state_dict_post_hook(lambda module, keys: order.append(list(keys.unexpected_keys)))
    net.load_state_dict(state)
    assert order == ["before", []] and "mark" in state  # the caller's dict is left alone

"""The Python object: identity, attributes, weak references, subclasses, protocols."""

import copy
import gc
import operator
import pickle
import weakref

import pytest

import rustorch as torch


def test_type_and_module():
    assert type(torch.zeros(1)) is torch.Tensor
    assert repr(torch.Tensor) == f"<class '{torch.__name__}.Tensor'>"
    assert isinstance(torch.zeros(1), torch.Tensor)
    assert torch.is_tensor(torch.zeros(1)) and not torch.is_tensor([1])


def test_grad_is_the_same_object_each_time():
    x = torch.ones(2, requires_grad=True)
    assert x.grad is None
    (x * 2).sum().backward()
    assert x.grad is x.grad
    first = x.grad
    (x * 2).sum().backward()
    assert x.grad is first and first.tolist() == [4, 4]


def test_grad_keeps_its_notes():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    x.grad.note = "kept"
    gc.collect()
    assert x.grad.note == "kept"


def test_notes_survive_rewrapping():
    x = torch.ones(2, requires_grad=True)
    x.note = ["kept"]
    y = x * 2
    node = y.grad_fn
    del x
    gc.collect()
    leaf = node.next_functions[0][0].variable
    assert leaf.note == ["kept"]


def test_notes_of_a_saved_tensor_survive():
    w = torch.ones(2)
    w.note = 5
    x = torch.ones(2, requires_grad=True)
    y = x * w
    del w
    gc.collect()
    assert y.grad_fn._saved_other.note == 5


def test_attributes_may_be_set_and_deleted():
    t = torch.zeros(1)
    t.label = "a"
    assert t.label == "a" and t.__dict__ == {"label": "a"}
    del t.label
    assert not hasattr(t, "label")
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'label'"):
        t.label


def test_read_only_attributes_refuse():
    t = torch.zeros(1)
    for name in ("shape", "dtype", "device", "is_leaf", "_version"):
        with pytest.raises(AttributeError):
            setattr(t, name, None)


def test_weak_references_die_with_the_tensor():
    t = torch.zeros(2)
    seen = []
    reference = weakref.ref(t, seen.append)
    assert reference() is t
    del t
    assert reference() is None and len(seen) == 1


def test_tensors_are_keys_by_identity():
    a, b = torch.ones(2), torch.ones(2)
    table = {a: 1, b: 2}
    assert table[a] == 1 and table[b] == 2 and hash(a) == hash(a) != hash(b)
    assert a in table


def test_a_cycle_through_attributes_is_collected():
    t = torch.zeros(2)
    t.me = t
    reference = weakref.ref(t)
    del t
    gc.collect()
    assert reference() is None


def test_a_cycle_through_grad_is_collected():
    if torch.__name__ == "torch":
        pytest.skip("a claim of our own: PyTorch leaks this cycle")
    t = torch.zeros(2, requires_grad=True)
    t.sum().backward()
    t.grad.owner = t
    reference = weakref.ref(t)
    del t
    gc.collect()
    assert reference() is None


class Tagged(torch.Tensor):
    """A subclass with a method of its own."""

    def twice(self):
        return self * 2


def test_subclasses_are_made_by_as_subclass():
    t = torch.ones(2).as_subclass(Tagged)
    assert type(t) is Tagged and isinstance(t, torch.Tensor) and t.twice().tolist() == [2, 2]


def test_results_on_a_subclass_are_of_the_subclass():
    t = torch.ones(2, 2).as_subclass(Tagged)
    for result in (t + 1, 1 + t, t * torch.ones(2, 2), t[0], t.sum(), torch.exp(t), t.view(4), torch.ones(2, 2) - t):
        assert type(result) is Tagged
    assert type(t.tolist()) is list and type(t.shape) is torch.Size


def test_subclass_override_sees_every_call():
    calls = []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            calls.append(getattr(func, "__name__", str(func)))
            return super().__torch_function__(func, types, args, kwargs or {})

    t = torch.ones(2).as_subclass(Watched)
    calls.clear()
    torch.add(t, 1)
    t.mul(2)
    assert calls == ["add", "mul"]


def test_objects_with_torch_function_take_over():
    class Other:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    assert torch.add(torch.ones(1), Other()) == "add"
    assert torch.cat([Other()]) == "cat"


def test_subclass_constructor_takes_data():
    t = Tagged([1.0, 2.0])
    assert type(t) is Tagged and t.tolist() == [1, 2]


def test_parameters_are_tensors_that_require_grad():
    p = torch.nn.Parameter(torch.ones(2))
    assert isinstance(p, torch.Tensor) and isinstance(p, torch.nn.Parameter) and p.requires_grad and p.is_leaf
    assert type(p * 2) is torch.Tensor
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_class_assignment_is_kept():
    t = torch.ones(2)
    t.__class__ = Tagged
    assert type(t) is Tagged and t.twice().tolist() == [2, 2]


def test_iteration_gives_slices():
    rows = list(torch.arange(6).view(3, 2))
    assert [row.tolist() for row in rows] == [[0, 1], [2, 3], [4, 5]]
    a, b, c = torch.tensor([1, 2, 3])
    assert (a.item(), b.item(), c.item()) == (1, 2, 3)
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))


def test_length_is_the_first_size():
    assert len(torch.zeros(3, 2)) == 3


def test_index_of_lists_by_integer_tensors():
    assert ["a", "b", "c"][torch.tensor(1)] == "b"
    assert operator.index(torch.tensor([2])) == 2
    assert list(range(5))[torch.tensor(1) : torch.tensor(3)] == [1, 2]
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
        operator.index(torch.tensor(1.5))
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
        operator.index(torch.tensor([1, 2]))


def test_numbers_from_one_element():
    assert float(torch.tensor([2.5])) == 2.5
    assert int(torch.tensor(2.9)) == 2
    assert complex(torch.tensor(2.0)) == 2 + 0j
    assert bool(torch.tensor([0.0])) is False and bool(torch.tensor(-1)) is True
    with pytest.raises(ValueError, match="only one element tensors can be converted to Python scalars"):
        float(torch.ones(2))
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with no values is ambiguous"):
        bool(torch.empty(0))


def test_item_and_tolist():
    assert torch.tensor(1.5).item() == 1.5 and type(torch.tensor(1).item()) is int
    assert type(torch.tensor(True).item()) is bool and torch.tensor(True).item() is True
    assert torch.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert torch.tensor(7).tolist() == 7
    assert torch.arange(6).view(2, 3).t().tolist() == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        torch.ones(2).item()


def test_format():
    assert f"{torch.tensor(3.14159):.2f}" == "3.14"
    assert f"{torch.tensor(3)}" == "3"
    assert f"{torch.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{torch.ones(2):.2f}"


def test_contains():
    t = torch.tensor([1.0, 2.0])
    assert 2 in t and 3 not in t and torch.tensor(1.0) in t
    with pytest.raises(RuntimeError, match="Tensor.__contains__ only supports Tensor or scalar"):
        "a" in t


def test_comparison_gives_tensors():
    t = torch.tensor([1, 2])
    assert (t == 1).tolist() == [True, False] and (t != 1).tolist() == [False, True]
    assert (t < torch.tensor([2, 2])).tolist() == [True, False]
    assert (t == None) is False  # noqa: E711
    assert (t != "a") is True
    with pytest.raises(TypeError):
        t < "a"


def test_operators_refuse_strangers():
    with pytest.raises(TypeError):
        torch.ones(1) + "a"
    with pytest.raises(TypeError, match="unsupported operand type"):
        torch.ones(1) @ None


def test_operators_let_the_other_side_answer():
    class Other:
        def __radd__(self, left):
            return "answered"

    assert torch.ones(1) + Other() == "answered"


def test_reflected_operators():
    t = torch.tensor([2.0, 4.0])
    assert (8 / t).tolist() == [4, 2] and (1 - t).tolist() == [-1, -3] and (2**t).tolist() == [4, 16]
    assert (7 // t).tolist() == [3, 1] and (7 % t).tolist() == [1, 3]
    assert (-t).tolist() == [-2, -4] and abs(-t).tolist() == [2, 4]
    assert (~torch.tensor([True, False])).tolist() == [False, True]
    assert (torch.tensor([6]) & 3).item() == 2 and (torch.tensor([6]) | 1).item() == 7
    assert (torch.tensor([6]) ^ 2).item() == 4 and (torch.tensor([1]) << 3).item() == 8
    assert (torch.tensor([8]) >> 2).item() == 2


def test_copies():
    x = torch.ones(2, requires_grad=True)
    x.note = [1]
    shallow, deep = copy.copy(x), copy.deepcopy(x)
    assert shallow is not x and shallow.data_ptr() == x.data_ptr()
    assert deep.data_ptr() != x.data_ptr() and deep.requires_grad and deep.tolist() == [1, 1]
    assert deep.note == [1] and deep.note is not x.note
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_deepcopy_keeps_sharing():
    base = torch.zeros(4)
    pair = copy.deepcopy([base, base[1:]])
    pair[0].fill_(3)
    assert pair[1].tolist() == [3, 3, 3]


def test_pickle_round_trip():
    t = torch.arange(6.0).view(2, 3).t()
    u = pickle.loads(pickle.dumps(t))
    assert u.tolist() == t.tolist() and u.stride() == t.stride()
    p = pickle.loads(pickle.dumps(torch.nn.Parameter(torch.ones(2))))
    assert type(p) is torch.nn.Parameter and p.requires_grad


def test_size_is_a_tuple():
    size = torch.zeros(2, 3, 4).shape
    assert isinstance(size, tuple) and isinstance(size, torch.Size)
    assert size == (2, 3, 4) and repr(size) == "torch.Size([2, 3, 4])"
    assert size[1] == 3 and size[-1] == 4 and type(size[1:]) is torch.Size
    assert size.numel() == 24 and hash(size) == hash((2, 3, 4))
    assert torch.Size([1, 2]) == (1, 2)
    assert type(size + (1,)) is torch.Size and pickle.loads(pickle.dumps(size)) == size
    batch, *rest = size
    assert batch == 2 and rest == [3, 4]


def test_shape_is_size():
    t = torch.zeros(2, 3)
    assert t.shape == t.size() and t.ndim == t.dim() == 2 and t.nelement() == t.numel() == 6
    assert t.itemsize == t.element_size() == 4 and t.nbytes == 24


def test_dir_lists_operations():
    names = dir(torch.zeros(1))
    assert {"add", "add_", "view", "backward", "grad", "shape"} <= set(names)


def test_operations_are_documented():
    assert "view" in torch.Tensor.view.__doc__
    assert torch.add.__doc__

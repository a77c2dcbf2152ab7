"""The hand-made type: wrappers, their dicts and classes, and what the collector makes of them."""

import copy
import gc
import pickle
import sys
import threading
import weakref

import pytest

import rustorch as torch
from rustorch import Tensor


class Parameter(Tensor):
    def __new__(cls, data=None):
        return Tensor._make_subclass(cls, torch.zeros(2, 3) if data is None else data)


class Tagged(Tensor):
    def __new__(cls, *size, tag=None):
        return super().__new__(cls, *size)

    def __init__(self, *size, tag=None):
        self.tag = tag


class Slotted(Tensor):
    __slots__ = ("a",)


class Mixin:
    def hello(self):
        return "hello"


class Both(Tensor, Mixin):
    pass


class Left(Mixin, Tensor):
    pass


class Thing:
    """Something whose end can be seen."""


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def held_by_graph(leaf):
    """A graph that holds the leaf's tensor, and a way back to the leaf."""
    node = (leaf * 1).grad_fn
    while node.next_functions[0][0].next_functions:
        node = node.next_functions[0][0]
    return lambda: node.next_functions[0][0].variable


def tracked(tensor):
    return tensor.requires_grad_()


def test_a_dict_is_made_when_needed_and_weak_references_work():
    t = torch.zeros(2, 3)
    t.note = 5
    assert t.__dict__ == {"note": 5} and vars(t) is t.__dict__
    dead = []
    reference = weakref.ref(t, lambda _: dead.append(1))
    assert reference() is t
    del t
    assert reference() is None and dead == [1]


def test_subclasses_of_all_kinds():
    tagged = Tagged(2, 3, tag="x")
    assert tagged.tag == "x" and type(tagged) is Tagged and tagged.shape == (2, 3)
    slotted = Slotted(2)
    slotted.a, slotted.b = 3, 4
    assert (slotted.a, slotted.b) == (3, 4)
    assert Both(2).hello() == "hello" == Left(2).hello()
    t = torch.zeros(2)
    t.__class__ = Parameter
    assert type(t) is Parameter
    with pytest.raises(TypeError):
        object.__new__(Tensor)


def test_a_gradient_keeps_its_object_with_dict_and_class():
    x = torch.zeros(2)
    x.grad = torch.ones(2)
    assert x.grad is x.grad
    x.grad.note = 5
    gc.collect()
    assert x.grad.note == 5
    x.grad = Tagged([1.0, 2.0], tag="kept")
    gc.collect()
    assert type(x.grad) is Tagged and x.grad.tag == "kept"


def test_a_leaf_in_a_graph_comes_back_as_it_was():
    x = tracked(Tagged(2, tag=7))
    again = held_by_graph(x)
    del x
    gc.collect()
    assert again().tag == 7 and type(again()) is Tagged


def test_what_a_dead_wrapper_left_is_freed_with_its_tensor():
    x = tracked(torch.zeros(2))
    x.thing = Thing()
    reference = weakref.ref(x.thing)
    again = held_by_graph(x)
    del x
    gc.collect()
    assert reference() is not None
    del again
    assert reference() is None


def cycle_of_its_own():
    x = torch.zeros(2)
    x.me, x.thing = x, Thing()
    return x.thing


def cycle_through_a_hook():
    x, thing = tracked(torch.zeros(2)), Thing()
    x.register_hook(lambda g: (x, thing))
    return thing


def cycle_through_a_hook_of_a_result():
    x, thing = tracked(torch.zeros(2)) * 2, Thing()
    x.register_hook(lambda g: (x, thing))
    return thing


def cycle_through_a_note_of_the_gradient():
    x, thing = torch.zeros(2), Thing()
    x.grad = torch.zeros(2)
    x.grad.note = (x, thing)
    return thing


def cycle_through_a_gradient_that_is_seen():
    x, thing = torch.zeros(2), Thing()
    x.grad = torch.zeros(2)
    grad = x.grad
    grad.note, x.seen = (x, thing), grad
    return thing


def cycle_of_a_subclass():
    x = Tagged(2)
    x.tag, x.thing = x, Thing()
    return x.thing


def cycle_through_a_slot():
    x, thing = Slotted(2), Thing()
    x.a = (x, thing)
    return thing


def cycle_of_two():
    a, b = torch.zeros(2), torch.zeros(2)
    a.b, b.a, a.thing = b, a, Thing()
    return a.thing


CYCLES = [
    cycle_of_its_own,
    cycle_through_a_hook,
    cycle_through_a_hook_of_a_result,
    cycle_through_a_note_of_the_gradient,
    cycle_through_a_gradient_that_is_seen,
    cycle_of_a_subclass,
    cycle_through_a_slot,
    cycle_of_two,
]


@pytest.mark.parametrize("make", CYCLES)
def test_cycles_are_collected(make):
    reference = weakref.ref(make())
    gc.collect()
    assert reference() is None


def test_a_class_that_holds_its_own_tensor_is_collected():
    class Own(Tensor):
        pass

    Own.one = Own(2)
    reference = weakref.ref(Own)
    del Own
    gc.collect()
    assert reference() is None


def test_a_cycle_is_kept_while_a_graph_shares_the_tensor():
    x = tracked(torch.zeros(2))
    x.me, x.thing = x, Thing()
    reference = weakref.ref(x.thing)
    again = held_by_graph(x)
    del x
    gc.collect()
    gc.collect()
    assert again().me is again() and reference() is not None
    del again
    gc.collect()
    assert reference() is None


def test_a_dying_wrapper_may_be_asked_for():
    seen = []
    x = tracked(torch.zeros(2))
    again = held_by_graph(x)
    x.note = 1
    reference = weakref.ref(x, lambda _: seen.append(again()))
    del x
    assert seen[0].note == 1 and seen[0] is again() and reference() is None


def test_a_finalizer_may_revive_a_tensor():
    seen = []

    class Reviving(Tensor):
        def __del__(self):
            seen.append(self)

    Reviving(3)
    assert type(seen[0]) is Reviving and seen[0].shape == (3,)
    seen.clear()
    gc.collect()


def test_hooks_of_a_leaf_outlive_its_wrapper():
    x = tracked(torch.zeros(2))
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    y = (x * 3).sum()
    del x
    gc.collect()
    y.backward()
    assert seen == [[3, 3]]


def test_hooks_of_a_result_live_as_long_as_the_graph():
    x = tracked(torch.zeros(2))
    seen = []
    y = x * 3
    y.register_hook(lambda g, y=y: seen.append(g.tolist()))
    z = (y * 2).sum()
    del y
    gc.collect()
    z.backward()
    assert seen == [[2, 2]]


def test_a_removed_hook_is_let_go():
    x, thing = tracked(torch.zeros(2)), Thing()
    reference = weakref.ref(thing)
    handle = x.register_hook(lambda g, thing=thing: None)
    del thing
    assert reference() is not None
    handle.remove()
    handle.remove()
    assert reference() is None


def test_memory_stays_flat():
    def work(count):
        for _ in range(count):
            t = torch.zeros(2, 3)
            t.note = 1
            (t + t).view(3, 2)
            t.grad = t + 1
            t.grad.back = t

    references = sys.getrefcount(Tensor)
    work(5_000)
    gc.collect()
    before = resident()
    work(30_000)
    gc.collect()
    assert resident() - before < 2 << 20
    assert abs(sys.getrefcount(Tensor) - references) < 5


def test_copies_and_pickles_keep_class_and_dict():
    m = Tagged([4.0, 4.0])
    m.tag = [1]
    for c in (copy.copy(m), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert type(c) is Tagged and c.tolist() == [4, 4] and c.tag == [1] and c is not m
    assert copy.copy(m).tag is m.tag and copy.deepcopy(m).tag is not m.tag
    assert pickle.loads(pickle.dumps(torch.add)) is torch.add
    assert pickle.loads(pickle.dumps(Tensor)) is Tensor


def test_pickle_keeps_sharing_and_strides():
    base = torch.arange(6.0).view(2, 3)
    a, b = pickle.loads(pickle.dumps((base, base.t())))
    assert b.stride() == (1, 3)
    a.fill_(7)
    assert b.tolist() == [[7, 7], [7, 7], [7, 7]]


def test_a_long_chain_of_tensors_is_freed():
    x = torch.zeros(1)
    for _ in range(20_000):
        y = torch.zeros(1)
        y.before = x
        x = y
    reference = weakref.ref(x)
    del x, y
    assert reference() is None


def test_threads_and_collections_together():
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            x = tracked(torch.zeros(2))
            x.me = x
            x.grad = torch.zeros(2)
            x.grad.note = x
            (x * 2).sum().backward()

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        gc.collect()
    stop.set()
    for thread in threads:
        thread.join()

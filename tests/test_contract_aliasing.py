"""The aliasing contract: who shares memory with whom, and who sees a write."""

import pytest

import rustorch as torch


def same_memory(a, b):
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


VIEWS = {
    "basic index": lambda t: t[1],
    "slice": lambda t: t[:, 1:],
    "stepped slice": lambda t: t[::2, ::3],
    "None index": lambda t: t[None],
    "Ellipsis index": lambda t: t[..., 0],
    "view": lambda t: t.view(6, 4),
    "view minus one": lambda t: t.view(-1, 2),
    "reshape of contiguous": lambda t: t.reshape(2, 12),
    "t": lambda t: t.t(),
    "T": lambda t: t.T,
    "mT": lambda t: t.mT,
    "transpose": lambda t: t.transpose(0, 1),
    "permute": lambda t: t.permute(1, 0),
    "unsqueeze": lambda t: t.unsqueeze(0),
    "squeeze": lambda t: t.unsqueeze(0).squeeze(0),
    "expand": lambda t: t.unsqueeze(0).expand(2, 4, 6),
    "narrow": lambda t: t.narrow(1, 2, 3),
    "select": lambda t: t.select(0, 3),
    "split": lambda t: t.split(2)[1],
    "chunk": lambda t: t.chunk(2, 1)[1],
    "unbind": lambda t: t.unbind(0)[2],
    "flatten of contiguous": lambda t: t.flatten(),
    "unfold": lambda t: t.unfold(1, 2, 1),
    "diagonal": lambda t: t.diagonal(),
    "as_strided": lambda t: t.as_strided((2, 2), (6, 1), 1),
    "view_as": lambda t: t.view_as(torch.empty(3, 8)),
    "movedim": lambda t: t.movedim(0, 1),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "detach": lambda t: t.detach(),
    "data": lambda t: t.data,
    "view same bytes dtype": lambda t: t.view(torch.int32),
    "contiguous of contiguous": lambda t: t.contiguous(),
    "to same dtype": lambda t: t.to(torch.float32),
    "float of float": lambda t: t.float(),
    "alias by set_": lambda t: torch.empty(0).set_(t),
}

COPIES = {
    "clone": lambda t: t.clone(),
    "advanced index": lambda t: t[[0, 1]],
    "mask": lambda t: t[t > 3],
    "contiguous of transposed": lambda t: t.t().contiguous(),
    "reshape of transposed": lambda t: t.t().reshape(-1),
    "flatten of transposed": lambda t: t.t().flatten(),
    "to other dtype": lambda t: t.to(torch.float64),
    "to with copy": lambda t: t.to(torch.float32, copy=True),
    "torch.tensor": lambda t: t.clone().detach(),
    "repeat": lambda t: t.repeat(1, 1),
    "index_select": lambda t: t.index_select(0, torch.tensor([0])),
    "cat": lambda t: torch.cat([t]),
    "stack": lambda t: torch.stack([t]),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS.keys())
def test_views_share_memory_and_see_writes_both_ways(make):
    base = torch.arange(24.0).view(4, 6)
    view = make(base)
    assert same_memory(base, view)
    base.fill_(7)
    assert (view.view(torch.float32) if view.dtype == torch.int32 else view).eq(7).all()
    view.zero_() if not (view.stride() and 0 in view.stride()) else view[0].zero_()
    assert base.eq(0).any()


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES.keys())
def test_copies_have_their_own_memory(make):
    base = torch.arange(24.0).view(4, 6)
    copy = make(base)
    assert not same_memory(base, copy)
    before = copy.tolist()
    base.fill_(-1)
    assert copy.tolist() == before


def test_writing_through_a_view_is_seen_by_all_views():
    base = torch.zeros(3, 4)
    row, column, transposed = base[1], base[:, 2], base.t()
    row[2] = 5
    assert base[1, 2] == 5 and column[1] == 5 and transposed[2, 1] == 5


def test_view_of_view_has_the_base_of_the_first():
    base = torch.zeros(4, 4)
    first = base[1:]
    second = first[:, 1:].t()
    assert first._base is base
    assert second._base is base
    assert base._base is None
    assert base._is_view() is False and second._is_view() is True


def test_detach_and_data_are_not_views_of_a_base():
    base = torch.zeros(2, requires_grad=True)
    assert base.data._base is None
    assert base.detach()._base is None
    assert base.data._is_view() is False


def test_view_that_does_not_fit_is_refused():
    with pytest.raises(RuntimeError, match=r"shape '\[5, 5\]' is invalid for input of size 24"):
        torch.zeros(4, 6).view(5, 5)


def test_view_of_transposed_memory_is_refused():
    with pytest.raises(RuntimeError, match=r"view size is not compatible with input tensor's size and stride"):
        torch.zeros(4, 6).t().view(24)


def test_view_with_two_inferred_sizes_is_refused():
    with pytest.raises(RuntimeError, match="only one dimension can be inferred"):
        torch.zeros(4, 6).view(-1, -1)


def test_element_lies_at_offset_plus_strides():
    t = torch.arange(24.0).view(4, 6)[1:, 2:].t()
    flat = t.untyped_storage()
    assert t.storage_offset() == 8
    for i in range(t.size(0)):
        for j in range(t.size(1)):
            position = t.storage_offset() + t.stride(0) * i + t.stride(1) * j
            assert t[i, j].item() == position
    assert flat.nbytes() == 24 * 4


def test_storage_is_indexable_and_shared():
    t = torch.tensor([[4.0, 1.0], [5.0, 3.0]])
    storage = t.storage()
    assert len(storage) == 4
    assert list(storage) == [4.0, 1.0, 5.0, 3.0]
    storage[0] = 2.0
    assert t[0, 0] == 2.0
    assert t.t().storage().data_ptr() == storage.data_ptr()


def test_untyped_storage_counts_bytes():
    t = torch.zeros(3, dtype=torch.float64)
    assert t.untyped_storage().nbytes() == 24
    assert t.untyped_storage().size() == 24
    assert t[1:].untyped_storage().data_ptr() == t.data_ptr()
    assert t[1:].data_ptr() == t.data_ptr() + 8


def test_memory_is_64_byte_aligned():
    for size in (1, 3, 100, 1000, 100_000):
        assert torch.empty(size).data_ptr() % 64 == 0


def test_copy_writes_into_existing_memory_and_converts():
    target = torch.zeros(2, 3, dtype=torch.int32)
    address = target.data_ptr()
    returned = target.copy_(torch.tensor([1.9, -2.9, 3.0]))
    assert returned is target and target.data_ptr() == address
    assert target.tolist() == [[1, -2, 3], [1, -2, 3]]


def test_copy_between_overlapping_layouts():
    t = torch.arange(6.0).view(2, 3)
    u = torch.empty(3, 2)
    u.copy_(t.t())
    assert u.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_copy_of_a_shape_that_does_not_broadcast_is_refused():
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(3\) must match the size of tensor b \(2\)"):
        torch.zeros(3).copy_(torch.zeros(2))


def test_setitem_writes_through_every_kind_of_index():
    t = torch.zeros(3, 4)
    t[0] = 1
    t[1, 1:3] = torch.tensor([2.0, 3.0])
    t[[0, 2], [3, 3]] = 9.0
    t[t == 1] = 4
    t[..., 0] += 10
    assert t.tolist() == [[14, 4, 4, 9], [10, 2, 3, 0], [10, 0, 0, 9]]


def test_setitem_broadcasts_and_casts():
    t = torch.zeros(2, 3, dtype=torch.int64)
    t[:] = torch.tensor([1.7, 2.2, 3.9])
    assert t.tolist() == [[1, 2, 3], [1, 2, 3]]


def test_setitem_of_a_shape_that_does_not_fit_is_refused():
    t = torch.zeros(2, 3)
    with pytest.raises(RuntimeError, match="expand|shape mismatch"):
        t[0] = torch.zeros(2)
    assert t.eq(0).all()


def test_resize_within_the_storage_keeps_memory_and_values():
    t = torch.arange(6.0)
    address = t.data_ptr()
    assert t.resize_(2, 2) is t
    assert t.data_ptr() == address and t.tolist() == [[0, 1], [2, 3]]
    t.resize_(6)
    assert t.tolist() == [0, 1, 2, 3, 4, 5]


def test_resize_beyond_the_storage_grows_it_and_keeps_the_head():
    t = torch.arange(4.0)
    t.resize_(3, 3)
    assert t.shape == (3, 3) and t.view(-1)[:4].tolist() == [0, 1, 2, 3]
    assert t.untyped_storage().nbytes() == 36


def test_resize_of_a_view_grows_the_shared_storage():
    t = torch.arange(4.0)
    view = t[2:]
    view.resize_(4)
    assert view[:2].tolist() == [2, 3]
    assert t.untyped_storage().nbytes() == 24
    view[0] = 9
    assert t[2] == 9


def test_resize_as():
    t = torch.zeros(2)
    assert t.resize_as_(torch.empty(3, 4)).shape == (3, 4)


def test_resize_of_a_tracked_tensor_is_refused():
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.zeros(2, requires_grad=True).resize_(3)


def test_memory_lent_by_numpy_cannot_be_resized():
    numpy = pytest.importorskip("numpy")
    t = torch.from_numpy(numpy.zeros(3, dtype=numpy.float32))
    with pytest.raises(RuntimeError, match="Trying to resize storage that is not resizable"):
        t.resize_(10)
    assert t.shape == (3,) or t.untyped_storage().nbytes() == 12


def test_memory_lent_to_numpy_cannot_be_resized():
    t = torch.zeros(3)
    t.numpy()
    with pytest.raises(RuntimeError, match="not resizable"):
        t.resize_(10)


def test_set_makes_an_alias_of_a_tensor():
    source = torch.arange(6.0).view(2, 3)
    alias = torch.empty(0)
    assert alias.set_(source) is alias
    assert alias.shape == (2, 3) and same_memory(alias, source)
    alias[0, 0] = 5
    assert source[0, 0] == 5


def test_set_of_a_part_with_offset_size_and_stride():
    source = torch.arange(6.0)
    alias = torch.empty(0).set_(source, 1, (2, 2), (2, 1))
    assert alias.tolist() == [[1, 2], [3, 4]] and alias.storage_offset() == 1
    alias[0, 0] = 9
    assert source[1] == 9


def test_set_without_arguments_empties():
    t = torch.ones(3)
    t.set_()
    assert t.shape == (0,)


def test_set_of_another_dtype_is_refused():
    with pytest.raises(RuntimeError, match="Could not set tensor of type long int to a tensor of type float"):
        torch.empty(0).set_(torch.zeros(2, dtype=torch.int64))


def test_assigning_data_swaps_memory_and_keeps_identity():
    t = torch.zeros(2, requires_grad=True)
    replacement = torch.ones(3)
    t.data = replacement
    assert t.tolist() == [1, 1, 1] and same_memory(t, replacement)
    assert t.requires_grad and t.is_leaf


def test_data_writes_are_seen_by_the_tensor():
    t = torch.zeros(2, requires_grad=True)
    t.data.fill_(3)
    assert t.tolist() == [3, 3]
    assert t.data.requires_grad is False


def test_out_writes_into_the_given_tensor_and_returns_it():
    out = torch.empty(2)
    address = out.data_ptr()
    assert torch.add(torch.ones(2), 2, out=out) is out
    assert out.tolist() == [3, 3] and out.data_ptr() == address


def test_out_writes_through_a_strided_view():
    base = torch.zeros(3, 2)
    torch.exp(torch.zeros(3), out=base[:, 1])
    assert base.tolist() == [[0, 1], [0, 1], [0, 1]]


def test_out_of_an_empty_tensor_is_resized():
    out = torch.empty(0)
    torch.mul(torch.ones(2, 3), 2, out=out)
    assert out.shape == (2, 3) and out.eq(2).all()


def test_out_of_the_wrong_shape_is_resized_with_a_warning():
    out = torch.empty(5)
    with pytest.warns(UserWarning, match="An output with one or more elements was resized since it had shape"):
        torch.add(torch.ones(2), 1, out=out)
    assert out.shape == (2,)


def test_out_of_a_lower_kind_is_refused():
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.int64))


def test_out_of_a_higher_kind_is_converted():
    out = torch.empty(2, dtype=torch.float64)
    torch.add(torch.ones(2, dtype=torch.int64), 1, out=out)
    assert out.tolist() == [2, 2]


def test_out_that_needs_grad_is_refused():
    with pytest.raises(RuntimeError, match=r"out=.*don't support automatic differentiation"):
        torch.add(torch.ones(2, requires_grad=True), 1, out=torch.empty(2))


def test_out_may_be_the_input_itself():
    t = torch.ones(3)
    torch.add(t, t, out=t)
    assert t.tolist() == [2, 2, 2]


def test_out_that_partially_overlaps_an_input_is_refused():
    t = torch.ones(4)
    with pytest.raises(
        RuntimeError, match="unsupported operation: some elements of the input tensor and the written-to"
    ):
        torch.add(t[:3], 1, out=t[1:])
    assert t.tolist() == [1, 1, 1, 1]


def test_in_place_on_partially_overlapping_memory_is_refused():
    t = torch.ones(4)
    with pytest.raises(
        RuntimeError, match="unsupported operation: some elements of the input tensor and the written-to"
    ):
        t[1:].add_(t[:3])


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.add_(1),
        lambda t: t.mul_(2),
        lambda t: t.copy_(torch.ones(3, 2)),
        lambda t: t.exp_(),
    ],
)
def test_writes_to_an_expanded_tensor_are_refused(write):
    base = torch.zeros(1, 2)
    message = "unsupported operation: more than one element of the written-to tensor refers to a single memory location"
    with pytest.raises(RuntimeError, match=message):
        write(base.expand(3, 2))
    assert base.eq(0).all()


def test_overlapping_as_strided_may_be_read():
    t = torch.arange(4.0).as_strided((3, 2), (1, 1))
    assert t.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert (t + 1).tolist() == [[1, 2], [2, 3], [3, 4]]


def test_as_strided_outside_the_storage_is_refused():
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        torch.zeros(4).as_strided((3, 3), (3, 1))


def test_in_place_operator_keeps_identity_and_memory():
    t = torch.ones(2)
    same, address = t, t.data_ptr()
    t += 1
    t *= 3
    t -= 2
    t /= 2
    assert t is same and t.data_ptr() == address and t.tolist() == [2, 2]


def test_in_place_result_of_a_higher_kind_is_refused():
    t = torch.ones(2, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        t += 0.5
    assert t.tolist() == [1, 1]


def test_in_place_that_would_grow_the_tensor_is_refused():
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]"):
        torch.ones(2).add_(torch.ones(3, 2))


def test_set_takes_a_storage_with_offset_size_and_stride():
    source = torch.arange(6.0)
    alias = torch.empty(0).set_(source.untyped_storage(), 1, (2, 2), (2, 1))
    assert alias.tolist() == [[1, 2], [3, 4]]
    assert torch.empty(0).set_(source.untyped_storage()).tolist() == [0, 1, 2, 3, 4, 5]

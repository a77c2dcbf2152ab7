"""Operations with a forward and a backward of their own."""

import gc
import weakref

import pytest

import rustorch as torch
from rustorch.autograd import Function
from rustorch.autograd.function import once_differentiable


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.saved_tensors[0]


class Identity(Function):
    @staticmethod
    def forward(ctx, *args):
        return args if len(args) > 1 else args[0]

    @staticmethod
    def backward(ctx, *grads):
        return grads


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


def test_gradient_of_saved_input_and_output() -> None:
    x = leaf(1.0, 2.0)
    Square.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    y = leaf(0.0)
    Exp.apply(y).backward()
    assert y.grad.tolist() == [1.0]


def test_gradient_of_gradient() -> None:
    x = leaf(3.0)
    (slope,) = torch.autograd.grad(Square.apply(x), x, create_graph=True)
    (second,) = torch.autograd.grad(slope, x, create_graph=True)
    assert (slope.item(), second.item()) == (6.0, 2.0)
    x = leaf(0.0)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == 1.0


def test_names() -> None:
    y = Square.apply(leaf(1.0))
    assert y.grad_fn.name() == "SquareBackward"
    assert repr(y) == "tensor([1.], grad_fn=<SquareBackward>)"
    assert y.grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"


def test_nothing_is_recorded_without_need() -> None:
    assert Square.apply(torch.ones(1)).grad_fn is None
    with torch.no_grad():
        assert not Square.apply(leaf(1.0)).requires_grad


def test_forward_is_not_recorded_itself() -> None:
    class Cut(Function):
        @staticmethod
        def forward(ctx, x):
            assert not torch.is_grad_enabled()
            return x * 2

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * 100

    x = leaf(1.0)
    Cut.apply(x).backward()
    assert x.grad.item() == 100.0


def test_arguments_that_are_no_tensors() -> None:
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, factor, name):
            assert ctx.needs_input_grad == (True, False, False)
            ctx.factor = factor
            return x * factor, name

        @staticmethod
        def backward(ctx, grad_output, grad_name):
            assert grad_name is None
            return grad_output * ctx.factor, None, None

    x = leaf(1.0)
    y, name = Scale.apply(x, 3, "scale")
    y.backward()
    assert (x.grad.item(), name) == (3.0, "scale")
    assert Scale.apply(x, name="named", factor=3)[1] == "named"
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Scale.apply(x, 3, other="scale")
    with pytest.raises(TypeError, match="missing required argument: 'factor'"):
        Scale.apply(x, name="scale")


def test_setup_context() -> None:
    class Scale(Function):
        @staticmethod
        def forward(x, factor=2.0):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            ctx.save_for_backward(x)
            assert output.shape == x.shape

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * ctx.factor, None

    x = leaf(1.0)
    (Scale.apply(x) + Scale.apply(x, factor=5.0)).backward()
    assert x.grad.item() == 7.0


def test_several_outputs_materialize_zeros() -> None:
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first, None

    for materialize in (True, False):
        x = leaf(1.0, 1.0)
        Two.apply(x, materialize)[0].sum().backward()
        assert x.grad.tolist() == [1.0, 1.0]
    assert seen[0].tolist() == [0.0, 0.0]
    assert seen[1] is None


def test_mark_non_differentiable() -> None:
    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            doubled, signs = x * 2, x.sign()
            ctx.mark_non_differentiable(signs)
            return doubled, signs

        @staticmethod
        def backward(ctx, grad_doubled, grad_signs):
            assert grad_signs.tolist() == [0.0]
            return grad_doubled * 2

    x = leaf(-1.0)
    doubled, signs = Sort.apply(x)
    assert doubled.requires_grad
    assert not signs.requires_grad
    doubled.backward()
    assert x.grad.item() == 2.0


def test_mark_dirty() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * 2

    x = leaf(3.0)
    y = x.clone()
    assert Double.apply(y) is y
    assert y.grad_fn.name() == "DoubleBackward"
    y.backward()
    assert x.grad.item() == 2.0
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Double.apply(leaf(1.0))


def test_dirty_inputs_must_be_returned() -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x * 1

    with pytest.raises(RuntimeError, match="Some elements marked as dirty during the forward method were not returned"):
        Wrong.apply(leaf(1.0) * 1)


def test_an_input_returned_as_it_is_becomes_a_new_tensor() -> None:
    x = leaf(1.0)
    y = Identity.apply(x)
    assert y is not x
    assert x.is_leaf
    assert y.grad_fn.name() == "IdentityBackward"
    y.backward()
    assert x.grad.item() == 1.0


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ((), r"function WrongBackward returned an incorrect number of gradients \(expected 2, got 0\)"),
        ((None, None, 1), r"returned an incorrect number of gradients \(expected 2, got 3\)"),
        (
            (torch.ones(3), None),
            r"Function WrongBackward returned an invalid gradient at index 0 - got \[3\] but expec",
        ),
        (
            (None, torch.ones(1)),
            "function WrongBackward returned a gradient different than None at position 2, but the",
        ),
    ],
)
def test_wrong_gradients_are_refused(gradients, message) -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, number):
            return x * number

        @staticmethod
        def backward(ctx, grad_output):
            return gradients

    with pytest.raises(RuntimeError, match=message):
        Wrong.apply(leaf(1.0, 2.0), 2).sum().backward()


def test_gradients_are_fitted_to_the_input() -> None:
    class Wide(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad_output):
            return torch.ones(3, 2, dtype=torch.float64), None, None

    x = leaf(1.0, 2.0)
    Wide.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert x.grad.dtype == torch.float32


def test_written_saved_tensor_is_refused() -> None:
    x = leaf(1.0)
    h = x * 1
    y = Square.apply(h)
    h.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        y.backward()


def test_second_backward_is_refused() -> None:
    x = leaf(1.0)
    y = Square.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_once_differentiable() -> None:
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @once_differentiable
        def backward(ctx, grad_output):
            assert not torch.is_grad_enabled()
            return grad_output * 2

    x = leaf(1.0)
    Once.apply(x).backward()
    assert x.grad.item() == 2.0
    (slope,) = torch.autograd.grad(Once.apply(x) ** 2, x, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        slope.backward()


def test_errors_in_backward_keep_their_class() -> None:
    class Odd(Exception):
        pass

    class Failing(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad_output):
            raise Odd("here")

    with pytest.raises(Odd, match="here"):
        Failing.apply(leaf(1.0)).backward()


def test_missing_methods_say_so() -> None:
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Empty.apply(leaf(1.0))

    class Forward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        Forward.apply(leaf(1.0)).backward()
    with (
        pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward"),
        pytest.warns(DeprecationWarning),
    ):
        Forward()(leaf(1.0))


def test_no_call_is_kept_alive_by_its_own_output() -> None:
    contexts = []

    class Watched(Exp):
        @staticmethod
        def forward(ctx, x):
            contexts.append(weakref.ref(ctx))
            return Exp.forward(ctx, x)

    y = Watched.apply(leaf(1.0))
    assert contexts[0]() is not None
    del y
    gc.collect()
    assert contexts[0]() is None

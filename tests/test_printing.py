"""Printing: every repr below is what PyTorch 2.13 prints."""

import math

import pytest

import rustorch as torch

TRANSCRIPT = """\
>>> torch.tensor(1.5)
tensor(1.5000)
>>> torch.tensor(-7)
tensor(-7)
>>> torch.tensor(True)
tensor(True)
>>> torch.tensor(1 + 2j)
tensor(1.+2.j)
>>> torch.tensor([1.0, 2.0, 3.0])
tensor([1., 2., 3.])
>>> torch.tensor([0.1, 22.5, -3.0])
tensor([ 0.1000, 22.5000, -3.0000])
>>> torch.tensor([1e-5, 1.0])
tensor([1.0000e-05, 1.0000e+00])
>>> torch.tensor([1.0, 1e9])
tensor([1.0000e+00, 1.0000e+09])
>>> torch.tensor([0.001, 2.0])
tensor([1.0000e-03, 2.0000e+00])
>>> torch.tensor([1e10])
tensor([1.0000e+10])
>>> torch.tensor([0.0, -0.0])
tensor([0., -0.])
>>> torch.tensor([float("nan"), float("inf"), -float("inf")])
tensor([nan, inf, -inf])
>>> torch.tensor([1.0, float("inf"), float("nan")])
tensor([1., inf, nan])
>>> torch.tensor([1.5, float("-inf"), -0.0])
tensor([1.5000,   -inf, -0.0000])
>>> torch.tensor([1, -20, 300])
tensor([  1, -20, 300])
>>> torch.tensor([True, False])
tensor([ True, False])
>>> torch.tensor([1, 2], dtype=torch.int32)
tensor([1, 2], dtype=torch.int32)
>>> torch.tensor([1, 2], dtype=torch.uint8)
tensor([1, 2], dtype=torch.uint8)
>>> torch.tensor([1.5, 2.25], dtype=torch.float64)
tensor([1.5000, 2.2500], dtype=torch.float64)
>>> torch.tensor([0.1, 65504.0], dtype=torch.float16)
tensor([9.9976e-02, 6.5504e+04], dtype=torch.float16)
>>> torch.tensor([0.1, 3.0], dtype=torch.bfloat16)
tensor([0.1001, 3.0000], dtype=torch.bfloat16)
>>> torch.tensor([1 + 2j, -0.5 - 1j])
tensor([ 1.0000+2.j, -0.5000-1.j])
>>> torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex128)
tensor([1.+2.j, 3.-4.j], dtype=torch.complex128)
>>> torch.tensor([complex(0.0, -0.0), complex(float("nan"), float("inf"))])
tensor([0.-0.j, nan+infj])
>>> torch.empty(0)
tensor([])
>>> torch.empty(0, 3)
tensor([], size=(0, 3))
>>> torch.empty(2, 0, 4, dtype=torch.int64)
tensor([], size=(2, 0, 4), dtype=torch.int64)
>>> torch.empty(0, dtype=torch.bool)
tensor([], dtype=torch.bool)
>>> torch.zeros(2, 3)
tensor([[0., 0., 0.],
        [0., 0., 0.]])
>>> torch.arange(24).reshape(2, 3, 4)
tensor([[[ 0,  1,  2,  3],
         [ 4,  5,  6,  7],
         [ 8,  9, 10, 11]],

        [[12, 13, 14, 15],
         [16, 17, 18, 19],
         [20, 21, 22, 23]]])
>>> torch.arange(8.0).reshape(2, 2, 1, 2)
tensor([[[[0., 1.]],

         [[2., 3.]]],


        [[[4., 5.]],

         [[6., 7.]]]])
>>> torch.arange(30)
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
>>> torch.arange(30.0) / 7
tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,
        1.2857, 1.4286, 1.5714, 1.7143, 1.8571, 2.0000, 2.1429, 2.2857, 2.4286,
        2.5714, 2.7143, 2.8571, 3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,
        3.8571, 4.0000, 4.1429])
>>> torch.arange(1001)
tensor([   0,    1,    2,  ...,  998,  999, 1000])
>>> torch.arange(2500.0).reshape(50, 50)
tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 4.7000e+01, 4.8000e+01,
         4.9000e+01],
        [5.0000e+01, 5.1000e+01, 5.2000e+01,  ..., 9.7000e+01, 9.8000e+01,
         9.9000e+01],
        [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.4700e+02, 1.4800e+02,
         1.4900e+02],
        ...,
        [2.3500e+03, 2.3510e+03, 2.3520e+03,  ..., 2.3970e+03, 2.3980e+03,
         2.3990e+03],
        [2.4000e+03, 2.4010e+03, 2.4020e+03,  ..., 2.4470e+03, 2.4480e+03,
         2.4490e+03],
        [2.4500e+03, 2.4510e+03, 2.4520e+03,  ..., 2.4970e+03, 2.4980e+03,
         2.4990e+03]])
>>> torch.arange(2400).reshape(4, 30, 20)
tensor([[[   0,    1,    2,  ...,   17,   18,   19],
         [  20,   21,   22,  ...,   37,   38,   39],
         [  40,   41,   42,  ...,   57,   58,   59],
         ...,
         [ 540,  541,  542,  ...,  557,  558,  559],
         [ 560,  561,  562,  ...,  577,  578,  579],
         [ 580,  581,  582,  ...,  597,  598,  599]],

        [[ 600,  601,  602,  ...,  617,  618,  619],
         [ 620,  621,  622,  ...,  637,  638,  639],
         [ 640,  641,  642,  ...,  657,  658,  659],
         ...,
         [1140, 1141, 1142,  ..., 1157, 1158, 1159],
         [1160, 1161, 1162,  ..., 1177, 1178, 1179],
         [1180, 1181, 1182,  ..., 1197, 1198, 1199]],

        [[1200, 1201, 1202,  ..., 1217, 1218, 1219],
         [1220, 1221, 1222,  ..., 1237, 1238, 1239],
         [1240, 1241, 1242,  ..., 1257, 1258, 1259],
         ...,
         [1740, 1741, 1742,  ..., 1757, 1758, 1759],
         [1760, 1761, 1762,  ..., 1777, 1778, 1779],
         [1780, 1781, 1782,  ..., 1797, 1798, 1799]],

        [[1800, 1801, 1802,  ..., 1817, 1818, 1819],
         [1820, 1821, 1822,  ..., 1837, 1838, 1839],
         [1840, 1841, 1842,  ..., 1857, 1858, 1859],
         ...,
         [2340, 2341, 2342,  ..., 2357, 2358, 2359],
         [2360, 2361, 2362,  ..., 2377, 2378, 2379],
         [2380, 2381, 2382,  ..., 2397, 2398, 2399]]])
>>> torch.arange(1200).reshape(2, 600)
tensor([[   0,    1,    2,  ...,  597,  598,  599],
        [ 600,  601,  602,  ..., 1197, 1198, 1199]])
>>> torch.arange(6).reshape(2, 3).t()
tensor([[0, 3],
        [1, 4],
        [2, 5]])
>>> torch.ones(2, requires_grad=True)
tensor([1., 1.], requires_grad=True)
>>> torch.ones(2, requires_grad=True) + 1
tensor([2., 2.], grad_fn=<AddBackward0>)
>>> torch.ones(3, 7, dtype=torch.float64, requires_grad=True) * 12345.678
tensor([[12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780,
         12345.6780],
        [12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780,
         12345.6780],
        [12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780, 12345.6780,
         12345.6780]], dtype=torch.float64, grad_fn=<MulBackward0>)
>>> torch.ones(2, 3, device="meta")
tensor(..., device='meta', size=(2, 3))
>>> torch.ones(2, 3, device="meta", dtype=torch.int64)
tensor(..., device='meta', size=(2, 3), dtype=torch.int64)
"""
CASES = [tuple(case.split("\n", 1)) for case in ("\n" + TRANSCRIPT.strip()).split("\n>>> ")[1:]]


@pytest.mark.parametrize(("expression", "expected"), CASES, ids=[case[0] for case in CASES])
def test_repr(expression: str, expected: str) -> None:
    assert repr(eval(expression, {"torch": torch})) == expected


@pytest.fixture(autouse=True)
def _default_options():
    yield
    torch.set_printoptions(profile="default")


def test_precision_applies_to_both_notations() -> None:
    torch.set_printoptions(precision=8)
    assert repr(torch.tensor([1 / 3])) == "tensor([0.33333334])"
    assert repr(torch.tensor([1e-9])) == "tensor([9.99999972e-10])"


def test_threshold_and_edgeitems() -> None:
    torch.set_printoptions(threshold=5, edgeitems=2)
    assert repr(torch.arange(10)) == "tensor([0, 1,  ..., 8, 9])"
    torch.set_printoptions(profile="full")
    assert "..." not in repr(torch.arange(5000))


def test_no_edgeitems_shows_the_size() -> None:
    torch.set_printoptions(threshold=5, edgeitems=0)
    assert repr(torch.arange(10)) == "tensor([...], size=(10,))"


def test_linewidth_breaks_rows_and_suffixes() -> None:
    torch.set_printoptions(linewidth=20)
    assert (
        repr(torch.arange(8, dtype=torch.int32))
        == "tensor([0, 1, 2, 3,\n        4, 5, 6, 7],\n       dtype=torch.int32)"
    )


def test_sci_mode_is_forced_and_reset_by_the_next_call() -> None:
    torch.set_printoptions(sci_mode=True)
    assert repr(torch.tensor([1.0, 2.0])) == "tensor([1.0000e+00, 2.0000e+00])"
    torch.set_printoptions(sci_mode=False)
    assert repr(torch.tensor([1e-9, 1.0])) == "tensor([0.0000, 1.0000])"
    torch.set_printoptions()
    assert repr(torch.tensor([1e-9, 1.0])) == "tensor([1.0000e-09, 1.0000e+00])"


def test_printoptions_restores() -> None:
    from rustorch._tensor_str import get_printoptions, printoptions

    before = get_printoptions()
    with printoptions(precision=1, threshold=math.inf):
        assert repr(torch.tensor([0.25])) == "tensor([0.2])"
    assert get_printoptions() == before


def test_default_dtype_goes_without_saying() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(torch.tensor([1.5])) == "tensor([1.5000])"
        assert repr(torch.tensor([1.5], dtype=torch.float32)) == "tensor([1.5000], dtype=torch.float32)"
        assert repr(torch.tensor([1j])) == "tensor([0.+1.j])"
    finally:
        torch.set_default_dtype(torch.float32)


def test_parameter_says_what_it_contains() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    assert repr(parameter) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"


def test_subclass_prints_under_its_own_name() -> None:
    class Weights(torch.Tensor):
        pass

    assert repr(torch.ones(2).as_subclass(Weights)) == "Weights([1., 1.])"


def test_view_without_history_written_in_place_prints_invalid() -> None:
    base = torch.ones(2, requires_grad=True).clone()
    with torch.no_grad():
        view = base[:1]
        view.mul_(2)
    assert repr(view) == "tensor([2.], grad_fn=<Invalid>)"


def test_writing_a_tensor_with_a_format() -> None:
    assert f"{torch.tensor(1.5):.3f}" == "1.500"
    assert "%.2f" % torch.tensor(2.0) == "2.00"
    assert f"{torch.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{torch.tensor([1.0]):.2f}"

"""Multiply-accumulates from shapes, against PyTorch's own counter of floating-point operations."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engines.work import products
from seatrial.engines.work.formulas import einsum

torch = pytest.importorskip("torch")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

few = st.integers(1, 6)


def counted(function, *shapes):
    """Of a function of tensors that have shapes alone, and the shape of its result."""
    with FlopCounterMode(display=False) as counter:
        result = function(*(torch.empty(shape, device="meta") for shape in shapes))
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2, tuple(result.shape)


def macs(op, inputs, output, domain="", **attributes):
    return sum(product.macs for product in products(domain, op, inputs, [output], attributes))


@settings(deadline=None)
@given(st.data(), st.integers(1, 3), few, few, few, few, st.integers(1, 3), st.booleans())
def test_convolutions(data, axes, batch, groups, inputs, outputs, stride, transposed):
    kernel = [data.draw(st.integers(1, 4)) for _ in range(axes)]
    extents = [data.draw(st.integers(max(kernel), 9)) for _ in range(axes)]
    image = (batch, groups * inputs, *extents)
    name, op = ("conv_transpose", "ConvTranspose") if transposed else ("conv", "Conv")
    weight = (groups * inputs, outputs, *kernel) if transposed else (groups * outputs, inputs, *kernel)
    function = getattr(torch.nn.functional, f"{name}{axes}d")
    expected, output = counted(lambda x, w: function(x, w, stride=stride, groups=groups), image, weight)
    assert macs(op, [image, weight], output) == expected
    if not transposed:
        channels_last = (batch, *output[2:], output[1])
        assert macs("NhwcFusedConv", [image, weight], channels_last, "com.microsoft") == expected


@settings(deadline=None)
@given(st.lists(few, max_size=3), few, few, few, st.booleans())
def test_products(leading, rows, inner, columns, broadcast):
    left, right = (*leading, rows, inner), (inner, columns) if broadcast else (*leading, inner, columns)
    expected, output = counted(torch.matmul, left, right)
    assert macs("MatMul", [left, right], output) == expected
    turned = (*leading, inner, rows)
    assert macs("FusedMatMul", [turned, right], output, "com.microsoft", transA=1) == expected
    if leading:
        in_front = (rows, *leading, inner)
        assert macs("FusedMatMul", [in_front, right], output, "com.microsoft", transBatchA=1) == expected
        both = (inner, *leading, rows)
        assert macs("FusedMatMul", [both, right], output, "com.microsoft", transA=1, transBatchA=1) == expected


@settings(deadline=None)
@given(few, few, few, st.booleans(), st.booleans())
def test_gemm(rows, inner, columns, trans_a, trans_b):
    left = (inner, rows) if trans_a else (rows, inner)
    right = (columns, inner) if trans_b else (inner, columns)
    expected, output = counted(
        lambda a, b, c: torch.addmm(c, a.T if trans_a else a, b.T if trans_b else b), left, right, (columns,)
    )
    assert macs("Gemm", [left, right, (columns,)], output, transA=int(trans_a), transB=int(trans_b)) == expected


EQUATIONS = ["ij,jk->ik", "bij,bjk->bik", "nij,jk", "bhid,bhjd->bhij", "...ij,jk->...ik", "ij,kj->ki", "abc,cd,de->abe"]


@settings(deadline=None)
@given(st.sampled_from(EQUATIONS), st.fixed_dictionaries({letter: st.integers(2, 6) for letter in "abcdehijkn"}), few)
def test_einsum(equation, extents, leading):
    shapes = [
        (*([leading, 3] if "..." in term else []), *(extents[letter] for letter in term.replace("...", "")))
        for term in equation.partition("->")[0].split(",")
    ]
    expected, output = counted(lambda *tensors: torch.einsum(equation, *tensors), *shapes)
    assert macs("Einsum", shapes, output, equation=equation.encode()) == expected


def test_einsum_by_hand():
    assert einsum("ij->ji", [(2, 3)]) == 0
    assert einsum("i,i->", [(7,), (7,)]) == 7
    assert einsum("i,j->ij", [(7,), (5,)]) == 35
    assert einsum("ii,ij->j", [(4, 4), (4, 6)]) == 24
    assert einsum("ij,jk->k", [(5, 4), (4, 6)]) == 4 * 6, "i is summed first"
    assert einsum("bij, bjk -> bik", [(2, 3, 4), (2, 4, 5)]) == 2 * 3 * 4 * 5
    assert einsum("...ij,...jk", [(6, 2, 3, 4), (2, 4, 5)]) == 6 * 2 * 3 * 4 * 5


@settings(deadline=None)
@given(st.integers(1, 3), few, few, few, few, st.integers(2, 6))
def test_attention(batch, heads, queries, keys, size, values):
    query, key, value = (batch, heads, queries, size), (batch, heads, keys, size), (batch, heads, keys, values)
    expected, output = counted(lambda q, k, v: torch.softmax(q @ k.mT, -1) @ v, query, key, value)
    assert macs("Attention", [query, key, value], output) == expected
    flat = [(batch, shape[2], heads * shape[3]) for shape in (query, key, value, output)]
    assert macs("Attention", flat[:3], flat[3]) == expected
    assert macs("MultiHeadAttention", flat[:3], flat[3], "com.microsoft") == expected
    assert macs("MultiHeadAttention", [flat[0], key, value], flat[3], "com.microsoft") == expected


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent(op, gates, directions):
    """A gate of a step multiplies the input and the last state."""
    steps, batch, values, hidden = 7, 2, 5, 3
    one, _ = counted(torch.matmul, (batch, values), (values, gates * hidden))
    other, _ = counted(torch.matmul, (batch, hidden), (hidden, gates * hidden))
    weights = (directions, gates * hidden, values), (directions, gates * hidden, hidden)
    output = (steps, directions, batch, hidden)
    assert macs(op, [(steps, batch, values), *weights], output) == steps * directions * (one + other)


def test_packed_and_cached_attention():
    """2 images, 5 rows, 3 heads of 4."""
    output = (2, 5, 12)
    macs_of = 2 * (2 * 5 * 12 * 5)
    assert macs("MultiHeadAttention", [(2, 5, 3, 3, 4)], output, "com.microsoft") == macs_of
    cached = [(2, 5, 12), (2, 5, 12), (2, 5, 12), None, None, None, (2, 3, 6, 4), (2, 3, 6, 4)]
    assert macs("MultiHeadAttention", cached, output, "com.microsoft") == macs_of // 5 * 11
    joint = products("com.microsoft", "Attention", [(2, 5, 7), (7, 36), (36,)], [output], {"num_heads": 3})
    assert [product.macs for product in joint] == [2 * 5 * 7 * 36, macs_of]
    grouped = products(
        "com.microsoft", "GroupQueryAttention", [(2, 5, 20), None, None], [output, (2, 1, 11, 4), (2, 1, 11, 4)], {}
    )
    assert [product.macs for product in grouped] == [macs_of // 5 * 11]


def test_what_is_not_known_is_said_and_not_guessed():
    assert products("", "Relu", [(2, 3)], [(2, 3)], {}) == ()
    assert products("", "Conv", [(1, 3, 8, 8), None], [(1, 4, 6, 6)], {}) is None
    assert products("", "NewOperator", [(2, 3)], [(2, 3)], {}) is None
    assert products("mine", "Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], [(1, 4, 6, 6)], {}) is None
    assert products("mine", "Relu", [(2, 3)], [(2, 3)], {}) is None
    assert products("", "FusedMatMulOfMine", [(2, 3)], [(2, 3)], {}) is None

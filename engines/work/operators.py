"""ONNX's operators and ONNX Runtime's own by what they multiply.

ONNX Runtime's are described in its docs/ContribOperators.md; attention and mixtures of experts are counted in full,
with what a mask hides and a cache leaves empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.engines.work import formulas
from seatrial.engines.work.formulas import Shape
from seatrial.engines.work.silent import ML, SILENT

Attributes = Mapping[str, Any]

_ONNX = ("", "ai.onnx", "com.ms.internal.nhwc", "com.microsoft.nchwc")
_MICROSOFT = "com.microsoft"


class Product(NamedTuple):
    """macs: over the whole batch. operand: the position of the input whose type is multiplied."""

    macs: int
    operand: int = 0


class Call(NamedTuple):
    """Shapes by position, None for what is not there or not known."""

    inputs: Sequence[Shape | None]
    outputs: Sequence[Shape | None]
    attributes: Attributes

    def shape(self, position: int) -> Shape:
        """Of an input; LookupError where it is not known."""
        found = self.find(position)
        if found is None:
            raise LookupError(position)
        return found

    def find(self, position: int) -> Shape | None:
        """Of an input; None where it is not there."""
        return self.inputs[position] if position < len(self.inputs) else None

    def output(self, position: int = 0) -> Shape:
        """As `shape`, of an output."""
        found = self.outputs[position] if position < len(self.outputs) else None
        if found is None:
            raise LookupError(position)
        return found

    def number(self, name: str, default: int = 0) -> int:
        """An attribute."""
        return int(self.attributes.get(name, default))


def products(
    domain: str, op: str, inputs: Sequence[Shape | None], outputs: Sequence[Shape | None], attributes: Attributes
) -> tuple[Product, ...] | None:
    """What one call multiplies over its whole batch; empty where it multiplies nothing, None where that is not known:
    for an unknown operator, or unknown shapes.

    Shapes stand at the positions of the operator's inputs and outputs. attributes: as in the node, strings as bytes.
    """
    own = domain == _MICROSOFT
    count = (_MICROSOFTS.get(op) if own else None) or (_COUNTS.get(op) if own or domain in _ONNX else None)
    if domain == "ai.onnx.ml":
        count = _LEARNED.get(op)
    if count is None:
        quiet = ML if domain == "ai.onnx.ml" else SILENT if own or domain in _ONNX else frozenset()
        return () if op in quiet else None
    try:
        return tuple(product for product in count(Call(inputs, outputs, attributes)) if product.macs)
    except (LookupError, ValueError):  # a shape is not known, or has too few axes
        return None


Count = Callable[[Call], Iterator[Product]]


def _convolution(weight: int) -> Count:
    def count(call: Call) -> Iterator[Product]:
        yield Product(formulas.convolution(call.output(), call.shape(weight)))

    return count


def _transposed_convolution(call: Call) -> Iterator[Product]:
    yield Product(formulas.transposed_convolution(call.shape(0), call.shape(1)))


def _product(call: Call) -> Iterator[Product]:
    """Also of transposed operands: `transBatchA` moves the rows in front of the axes of the batch."""
    left = call.shape(0)
    place = -1
    if call.number("transA") and len(left) > 1:
        place = 0 if call.number("transBatchA") else -2
    yield Product(formulas.matrix_product(call.output(), left[place]))


def _einsum(call: Call) -> Iterator[Product]:
    shapes = [call.shape(position) for position in range(len(call.inputs))]
    yield Product(formulas.einsum(call.attributes["equation"].decode(), shapes))


def _recurrent(call: Call) -> Iterator[Product]:
    yield Product(formulas.recurrent(call.shape(0), call.shape(1), call.shape(2)))


def _attention(call: Call) -> Iterator[Product]:
    """ONNX's: Q, K, V as [N, heads, length, size] or [N, length, heads * size]; a cache of keys is the fifth input."""
    past = call.find(4)
    keys = call.shape(1)[-2] + (past[-2] if past else 0)
    yield Product(formulas.attention(math.prod(call.shape(0)), math.prod(call.output()), keys))


def _joint_attention(past: int, after: int) -> Count:
    """Microsoft's: one product makes Q, K and V of [N, length, C], in the first operand's type; the products between
    them are in that of input `after`. `past`: the position of the cache, [2, N, heads, length, size].
    """

    def count(call: Call) -> Iterator[Product]:
        source, weight, result = call.shape(0), call.shape(1), call.output()
        sizes = call.attributes.get("qkv_hidden_sizes")
        queries = sizes[0] if sizes else (weight[-1] - result[-1]) // 2
        rows = math.prod(source[:-1])
        cache = call.find(past)
        keys = source[1] + (cache[3] if cache else 0)
        yield Product(formulas.matrix_product((rows, weight[-1]), source[-1]))
        yield Product(formulas.attention(rows * queries, math.prod(result), keys), after)

    return count


def _separate_attention(past: int) -> Count:
    """Microsoft's of Q [N, length, values], K and V likewise or [N, heads, length, size]; or packed: Q, K and V in one
    [N, length, heads, 3, size], K and V in one [N, length, heads, 2, size].
    """

    def count(call: Call) -> Iterator[Product]:
        query, key, cache = call.shape(0), call.find(1), call.find(past)
        values = math.prod(query) // (3 if len(query) == 5 else 1)
        if key is None:
            keys = query[1]
        else:
            keys = key[2] if len(key) == 4 else key[1]
        # The cache behind the call holds all keys that it met.
        joined = call.outputs[1] if len(call.outputs) > 1 else None
        keys = joined[2] if joined else keys + (cache[2] if cache else 0)
        yield Product(formulas.attention(values, math.prod(call.output()), keys))

    return count


def _grouped_attention(call: Call) -> Iterator[Product]:
    """Microsoft's with fewer heads for K and V: the result has the size of Q, whether packed or not."""
    values = math.prod(call.output())
    yield Product(formulas.attention(values, values, call.output(1)[2]))


def _experts(weights: Sequence[int], packed: bool) -> Count:
    """Every row goes through `k` of the experts. weights: [experts, ...], where packed several values to a byte."""

    def count(call: Call) -> Iterator[Product]:
        rows = math.prod(call.shape(0)[:-1])
        values = sum(math.prod(shape[1:]) for position in weights if (shape := call.find(position)))
        if packed:
            values = values * 8 // call.number("expert_weight_bits", 4)
        yield Product(rows * call.number("k", 1) * values)

    return count


def _linear_attention(call: Call) -> Iterator[Product]:
    """Every row adds an outer product to a state [N, heads, keys, values] and reads it; a delta rule reads it twice."""
    rows = math.prod(call.shape(0)[:2])
    heads = max(call.number("q_num_heads", 1), call.number("kv_num_heads", 1))
    times = 3 if b"delta" in call.attributes.get("update_rule", b"gated_delta") else 2
    yield Product(times * rows * heads * math.prod(call.output(1)[2:]))


def _mixed_streams(call: Call) -> Iterator[Product]:
    """Streams [..., branches, values], joined or apart, by [..., branches, branches]."""
    mix = call.find(3)
    yield Product(formulas.matrix_product(call.shape(0), mix[-1]) if mix else 0)


def _distances(call: Call) -> Iterator[Product]:
    """|a - b| by way of a b': [rows, size] and [columns, size]."""
    yield Product(formulas.matrix_product(call.output(), call.shape(0)[-1]))


def _grid(call: Call) -> Iterator[Product]:
    yield Product(formulas.matrix_product(call.output(), call.shape(0)[-1]))


def _linear_model(call: Call) -> Iterator[Product]:
    source = call.shape(0)
    yield Product((source[0] if len(source) > 1 else 1) * len(call.attributes["coefficients"]))


_COUNTS: dict[str, Count] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcConv", "NhwcFusedConv", "ConvInteger", "DeformConv"), _convolution(1)),
    "CausalConvWithState": _convolution(1),
    "QLinearConv": _convolution(3),
    **dict.fromkeys(("ConvTranspose", "ConvTransposeWithDynamicPads"), _transposed_convolution),
    **dict.fromkeys(("Gemm", "FusedGemm", "GemmFastGelu", "GemmFloat8", "QGemm"), _product),
    **dict.fromkeys(("MatMul", "FusedMatMul", "TransposeMatMul", "FusedMatMulActivation"), _product),
    **dict.fromkeys(("MatMulInteger", "MatMulInteger16", "MatMulIntegerToFloat"), _product),
    **dict.fromkeys(("QLinearMatMul", "DynamicQuantizeMatMul", "QOrderedMatMul"), _product),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4", "MatMulFpQ4"), _product),
    "Einsum": _einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _recurrent),
    "Attention": _attention,
    "QAttention": _joint_attention(past=8, after=2),
    "MultiHeadAttention": _separate_attention(past=6),
    "DecoderMaskedMultiHeadAttention": _separate_attention(past=5),
    **dict.fromkeys(("GroupQueryAttention", "SparseAttention"), _grouped_attention),
    "MoE": _experts((2, 4, 6), packed=False),
    "QMoE": _experts((2, 5, 8), packed=True),
    "LinearAttention": _linear_attention,
    "HyperConnectionPostMix": _mixed_streams,
    "CDist": _distances,
    "AffineGrid": _grid,
}
# Where Microsoft's operator of a name is another than ONNX's.
_MICROSOFTS: dict[str, Count] = {"Attention": _joint_attention(past=4, after=0)}
_LEARNED: dict[str, Count] = dict.fromkeys(("LinearClassifier", "LinearRegressor"), _linear_model)

# Names of what multiplies and is counted, of any domain.
COUNTED = frozenset((*_COUNTS, *_MICROSOFTS, *_LEARNED))

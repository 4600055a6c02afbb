"""Small graphs of every operator that multiplies, with their multiply-accumulates counted by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from seatrial.engines import BuildRequest

ALL = ("onnxruntime", "openvino", "pytorch")
RUNTIMES = ("onnxruntime", "openvino")
ORT = ("onnxruntime",)
MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and constants; `op` returns the name of its first output."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.nodes, self.constants = [], []

    def weight(self, *shape):
        return self.constant((self.rng.standard_normal(shape) * 0.2).astype(np.float32))

    def constant(self, value):
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        made = [f"{name}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=name, domain=domain, **attributes))
        return made[0]

    def microsoft(self, kind, *inputs, **attributes):
        return self.op(kind, *inputs, domain=MICROSOFT, **attributes)

    def reshape(self, value, *shape):
        return self.op("Reshape", value, self.constant(np.array(shape, np.int64)))

    def rounded(self, value, scale=0.05, kind=np.uint8):
        """Through a Q/DQ pair."""
        pair = (self.constant(np.float32(scale)), self.constant(kind(128 if kind is np.uint8 else 0)))
        return self.op("DequantizeLinear", self.op("QuantizeLinear", value, *pair), *pair)

    def integers(self, *shape):
        return self.constant(self.rng.integers(-100, 100, shape).astype(np.int8))

    def rounded_weight(self, *shape):
        return self.op("DequantizeLinear", self.integers(*shape), self.constant(np.float32(0.01)))

    def model(self, shape, result, batch="N", opset=20):
        """The result, flat, is the output `logits`."""
        self.nodes.append(helper.make_node("Flatten", [result], ["logits"], name="flatten"))
        image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, *shape])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, None])
        graph = helper.make_graph(self.nodes, "graph", [image], [logits], self.constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@dataclasses.dataclass(frozen=True)
class Case:
    """shape: of the input behind the batch. build: (graph, name of the input) -> name of the result. macs: for one
    image. int8: how many of them between Q/DQ pairs that the runtimes run in integers.
    """

    name: str
    shape: tuple[int, ...]
    build: Callable[[Graph, str], str]
    macs: int
    engines: tuple[str, ...] = ALL
    int8: int = 0
    opset: int = 20

    def model(self, batch="N"):
        graph = Graph()
        return graph.model(self.shape, self.build(graph, "input"), batch, self.opset)


def request_of(model, shape, precision="fp32", **changes):
    """For a model whose input and output are called `input` and `logits`."""
    import onnxruntime

    extent = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    fixed = extent or None
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"input": np.zeros((fixed or 1, *shape), np.float32)})[0]
    return BuildRequest(
        model.SerializeToString(), "input", "logits", shape, logits.shape[1], precision, fixed_batch=fixed, **changes
    )


def conv(inputs, outputs, *kernel, group=1, **attributes):
    return lambda g, x: g.op("Conv", x, g.weight(outputs, inputs // group, *kernel), group=group, **attributes)


def transposed(inputs, outputs, *kernel, group=1, **attributes):
    return lambda g, x: g.op("ConvTranspose", x, g.weight(inputs, outputs // group, *kernel), group=group, **attributes)


def matmul(*right):
    return lambda g, x: g.op("MatMul", x, g.weight(*right))


def einsum(equation, *operands):
    return lambda g, x: g.op("Einsum", x, *(g.weight(*shape) for shape in operands), equation=equation)


def recurrent(kind, gates, steps, values, hidden, directions=1, **attributes):
    """The input [N, values, steps] becomes a sequence [steps, N, values]."""

    def build(g, x):
        weights = g.weight(directions, gates * hidden, values), g.weight(directions, gates * hidden, hidden)
        direction = "bidirectional" if directions == 2 else "forward"
        sequence = g.op("Transpose", x, perm=[2, 0, 1])
        made = g.op(kind, sequence, *weights, hidden_size=hidden, direction=direction, **attributes)
        return g.op("Transpose", made, perm=[2, 0, 1, 3])

    return build


def residual(g, x):
    """Two convolutions of 13 channels and their sum."""
    first = g.op("Relu", g.op("Conv", x, g.weight(13, 3, 3, 3), pads=[1] * 4))
    second = g.op("Conv", first, g.weight(13, 13, 3, 3), pads=[1] * 4)
    return g.op("Relu", g.op("Add", first, second))


def hard_swish(g, x):
    """A convolution of 13 channels whose result is read twice, between others."""
    first = g.op("Conv", x, g.weight(13, 3, 3, 3), pads=[1] * 4)
    gated = g.op("Mul", first, g.op("HardSigmoid", first, alpha=1 / 6))
    return g.op("Conv", g.op("MaxPool", gated, kernel_shape=[2, 2], strides=[2, 2]), g.weight(5, 13, 1, 1))


def normalised(g, x):
    """A convolution of 9 channels, BatchNormalization and Relu."""
    made = g.op("Conv", x, g.weight(9, 3, 3, 3), strides=[2, 2])
    scale = [g.constant(np.abs(g.rng.standard_normal(9)).astype(np.float32) + 0.5) for _ in range(4)]
    return g.op("Relu", g.op("BatchNormalization", made, *scale))


def joined(g, x):
    """Two convolutions side by side, of 5 and 7 channels, and one of both."""
    parts = g.op("Conv", x, g.weight(5, 3, 3, 3), pads=[1] * 4), g.op("Conv", x, g.weight(7, 3, 1, 1))
    bounds = g.constant(np.float32(0)), g.constant(np.float32(6))
    return g.op("Conv", g.op("Clip", g.op("Concat", *parts, axis=1), *bounds), g.weight(11, 12, 1, 1))


def excited(g, x):
    """A convolution whose channels two others weigh, on its mean."""
    made = g.op("Conv", x, g.weight(10, 3, 3, 3), pads=[1] * 4)
    made = g.op("Mul", made, g.op("Sigmoid", made))
    mean = g.op("Relu", g.op("Conv", g.op("GlobalAveragePool", made), g.weight(3, 10, 1, 1), g.weight(3)))
    weighed = g.op("Mul", made, g.op("Sigmoid", g.op("Conv", mean, g.weight(10, 3, 1, 1))))
    return g.op("Conv", weighed, g.weight(5, 10, 1, 1))


def gemm(rows, inner, columns, trans_a=0, trans_b=0):
    """Over `rows` rows of one image."""

    def build(g, x):
        left = g.reshape(x, *((inner, rows) if trans_a else (rows, inner)))
        right = g.weight(*((columns, inner) if trans_b else (inner, columns)))
        made = g.op("Gemm", left, right, g.weight(columns), transA=trans_a, transB=trans_b)
        return g.reshape(g.op("Relu", made), 1, rows * columns)

    return build


def rows_of_gemm(g, x):
    """[N, 64, 32] as 64 rows of each image."""
    made = g.op("Gemm", g.reshape(x, -1, 32), g.weight(32, 24), g.weight(24))
    return g.reshape(made, -1, 64 * 24)


def transposed_left(g, x):
    return g.op("MatMul", g.op("Transpose", x, perm=[0, 1, 3, 2]), g.weight(12, 7))


def transposed_right(g, x):
    return g.op("MatMul", x, g.op("Transpose", x, perm=[0, 1, 3, 2]))


def transposed_batch(g, x):
    """Heads in front of the rows: [N, 12, 4, 16] becomes [N, 4, 12, 16], and is multiplied with its like."""
    left, right = (g.op("Transpose", x, perm=perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1]))
    return g.op("MatMul", left, right)


def weights_of_weights(g, x):
    """The weight itself is a product of constants: that is no work of an image."""
    return g.op("MatMul", x, g.op("MatMul", g.weight(64, 300), g.weight(300, 8)))


def attention(g, x):
    """[N, 40, 48] in 4 heads of 12, with projections."""
    query, key, value = (
        g.op("Transpose", g.reshape(g.op("MatMul", x, g.weight(48, 48)), -1, 40, 4, 12), perm=perm)
        for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    )
    scores = g.op("Mul", g.op("MatMul", query, key), g.constant(np.float32(0.3)))
    mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), value)
    joined = g.reshape(g.op("Transpose", mixed, perm=[0, 2, 1, 3]), -1, 40, 48)
    return g.op("MatMul", joined, g.weight(48, 48))


def onnx_attention(g, x):
    return g.op("Attention", x, g.op("Neg", x), x, q_num_heads=4, kv_num_heads=4)


def onnx_attention_of_others(g, x):
    """40 queries of 4 heads x 12 meet 10 keys in 2 heads, whose values have 6."""
    keys, values = g.reshape(x, -1, 80, 24), g.reshape(x, -1, 160, 12)
    parts = [g.op("Slice", part, *(g.constant(np.array([n], np.int64)) for n in (0, 10, 1))) for part in (keys, values)]
    return g.op("Attention", x, *parts, q_num_heads=4, kv_num_heads=2)


def integers_between(build):
    """A float operator between Q/DQ pairs."""
    return lambda g, x: g.rounded(build(g, g.rounded(x)))


def int8_conv(inputs, outputs, *kernel, group=1, **attributes):
    return integers_between(
        lambda g, x: g.op("Conv", x, g.rounded_weight(outputs, inputs // group, *kernel), group=group, **attributes)
    )


def int8_matmul(*right):
    return integers_between(lambda g, x: g.op("MatMul", x, g.rounded_weight(*right)))


def int8_gemm(g, x):
    bias = g.op("DequantizeLinear", g.constant(np.ones(24, np.int32)), g.constant(np.float32(0.05 * 0.01)))
    made = g.op("Gemm", g.rounded(g.reshape(x, -1, 32)), g.rounded_weight(32, 24), bias)
    return g.reshape(g.rounded(made), -1, 64 * 24)


def joined_gemm(g, x):
    """QGemm as it stands in files, its left side transposed."""
    pair = g.constant(np.float32(0.05)), g.constant(np.uint8(128))
    left = g.op("QuantizeLinear", g.op("Transpose", g.reshape(x, -1, 32), perm=[1, 0]), *pair)
    right = g.integers(24, 32), g.constant(np.float32(0.01)), g.constant(np.int8(0))
    made = g.microsoft("QGemm", left, *pair, *right, "", *pair, transA=1, transB=1)
    return g.reshape(g.op("DequantizeLinear", made, *pair), -1, 64 * 24)


def int8_then_float(g, x):
    """An int8 convolution, then three large float products."""
    made = int8_conv(3, 16, 3, 3, pads=[1] * 4)(g, x)
    rows = g.op("Transpose", g.reshape(made, -1, 16, 256), perm=[0, 2, 1])
    rows = g.op("Relu", g.op("MatMul", rows, g.weight(16, 80)))
    rows = g.op("Relu", g.op("Einsum", rows, g.weight(80, 16), equation="nij,jk->nik"))
    square = g.reshape(g.op("Transpose", rows, perm=[0, 2, 1]), -1, 16, 16, 16)
    return g.op("ConvTranspose", square, g.weight(16, 4, 2, 2), strides=[2, 2])


def conv_integer(g, x):
    pair = g.constant(np.float32(0.05)), g.constant(np.uint8(128))
    made = g.op("ConvInteger", g.op("QuantizeLinear", x, *pair), g.integers(10, 3, 3, 3), pair[1])
    return g.op("Cast", made, to=TensorProto.FLOAT)


def matmul_integer(g, x):
    pair = g.constant(np.float32(0.05)), g.constant(np.uint8(128))
    made = g.op("MatMulInteger", g.op("QuantizeLinear", x, *pair), g.integers(32, 24), pair[1])
    return g.op("Cast", made, to=TensorProto.FLOAT)


def dynamic(g, x):
    """DynamicQuantizeLinear before MatMulInteger and its scales: one kernel in ONNX Runtime."""
    made = g.op("DynamicQuantizeLinear", x, outputs=3)
    stem = made[:-2]
    summed = g.op("MatMulInteger", made, g.integers(32, 24), f"{stem}_2", g.constant(np.int8(0)))
    scale = g.op("Mul", f"{stem}_1", g.constant(np.float32(0.01)))
    return g.op("Mul", g.op("Cast", summed, to=TensorProto.FLOAT), scale)


def four_bits(g, x):
    packed = g.constant(g.rng.integers(0, 255, (24, 2, 16)).astype(np.uint8))
    return g.microsoft("MatMulNBits", x, packed, g.weight(48), K=64, N=24, bits=4, block_size=32)


def microsoft_attention(g, x):
    return g.microsoft("Attention", x, g.weight(48, 144), g.weight(144), num_heads=4)


def quantized_attention(g, x):
    pair = g.constant(np.float32(0.05)), g.constant(np.uint8(128))
    scales = pair[0], g.constant(np.float32(0.01)), "", pair[1], g.constant(np.int8(0))
    rounded = g.op("QuantizeLinear", x, *pair)
    return g.microsoft("QAttention", rounded, g.integers(48, 144), g.weight(144), *scales, num_heads=4)


def multi_head(g, x):
    return g.microsoft("MultiHeadAttention", x, g.op("Neg", x), x, num_heads=4)


def fused_matmul(g, x):
    """[N, 12, 4, 16]: the rows stand in front of the heads."""
    return g.microsoft("FusedMatMul", g.op("Transpose", x, perm=[1, 0, 2, 3]), g.weight(16, 5))


def experts(g, x):
    routed = g.op("MatMul", g.reshape(x, -1, 32), g.weight(32, 4))
    made = g.microsoft("MoE", g.reshape(x, -1, 32), routed, g.weight(4, 24, 32), "", g.weight(4, 32, 24), k=2)
    return g.reshape(made, -1, 64, 32)


def scan(g, x):
    """One product for each of the 40 rows."""
    body = helper.make_graph(
        [helper.make_node("MatMul", ["row", "w"], ["made"], name="inside")],
        "body",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((32, 8), np.float32), "w")],
    )
    rows = g.op("Transpose", x, perm=[1, 0, 2])
    return g.op("Transpose", g.op("Scan", rows, num_scan_inputs=1, body=body), perm=[1, 0, 2])


def loop(g, x):
    """Five times the same product."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "w"], ["after"], name="inside"),
            helper.make_node("Identity", ["going"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(np.eye(32, dtype=np.float32), "w")],
    )
    return g.op("Loop", g.constant(np.array(5, np.int64)), g.constant(np.array(True)), x, body=body)


def branch(g, x):
    """One of two products, of which one runs."""
    parts = []
    for name in ("then", "else"):
        weight = numpy_helper.from_array(np.ones((32, 24), np.float32), f"{name}_w")
        node = helper.make_node("MatMul", [x, f"{name}_w"], [f"{name}_y"], name=name)
        result = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)
        parts.append(helper.make_graph([node], name, [], [result], [weight]))
    large = g.op("Greater", g.op("ReduceSum", x, keepdims=0), g.constant(np.float32(-1)))
    return g.op("If", large, then_branch=parts[0], else_branch=parts[1])


IMAGE = (3, 16, 16)
CASES = [
    Case("conv", IMAGE, conv(3, 8, 3, 3), 8 * 14 * 14 * 3 * 9),
    Case("conv-odd-channels", IMAGE, conv(3, 13, 3, 3, pads=[1] * 4), 13 * 256 * 27),
    Case("conv-strided", IMAGE, conv(3, 8, 5, 3, strides=[2, 3], pads=[2, 1, 2, 1]), 8 * 8 * 6 * 3 * 15),
    Case("conv-dilated", IMAGE, conv(3, 8, 3, 3, dilations=[2, 2]), 8 * 12 * 12 * 27),
    Case("conv-grouped", (12, 10, 10), conv(12, 18, 3, 3, group=3, pads=[1] * 4), 18 * 100 * 4 * 9),
    Case("conv-depthwise", (24, 10, 10), conv(24, 24, 3, 3, group=24), 24 * 64 * 9),
    Case("conv-same", IMAGE, conv(3, 4, 3, 3, strides=[2, 2], auto_pad="SAME_UPPER"), 4 * 8 * 8 * 27),
    Case("conv-1d", (6, 50), conv(6, 10, 5, strides=[2]), 10 * 23 * 6 * 5),
    Case("conv-1d-grouped", (6, 50), conv(6, 12, 3, group=2, pads=[1, 1]), 12 * 50 * 3 * 3),
    Case("conv-3d", (2, 6, 8, 8), conv(2, 5, 3, 3, 3, pads=[1] * 6), 5 * 6 * 64 * 2 * 27),
    Case("conv-3d-depthwise", (4, 6, 8, 8), conv(4, 4, 3, 3, 3, group=4), 4 * 4 * 36 * 27),
    Case("conv-residual", IMAGE, residual, 13 * 256 * 27 + 13 * 256 * 13 * 9),
    Case("conv-hard-swish", IMAGE, hard_swish, 13 * 256 * 27 + 5 * 64 * 13),
    Case("conv-normalised", IMAGE, normalised, 9 * 49 * 27),
    Case("conv-concat", IMAGE, joined, 5 * 256 * 27 + 7 * 256 * 3 + 11 * 256 * 12),
    Case("conv-excited", IMAGE, excited, 10 * 256 * 27 + 30 + 30 + 5 * 256 * 10),
    Case("transposed", (6, 5, 7), transposed(6, 4, 3, 3, strides=[2, 2]), 6 * 35 * 4 * 9),
    Case("transposed-grouped", (6, 5, 7), transposed(6, 8, 2, 2, group=2, strides=[2, 2]), 6 * 35 * 4 * 4),
    Case(
        "transposed-padded",
        (6, 5, 5),
        transposed(6, 4, 3, 3, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
        6 * 25 * 4 * 9,
    ),
    Case("transposed-1d", (6, 20), transposed(6, 4, 4, strides=[2]), 6 * 20 * 4 * 4),
    Case("transposed-3d", (3, 4, 5, 5), transposed(3, 4, 2, 2, 2, strides=[2, 2, 2]), 3 * 100 * 4 * 8),
    Case("gemm", (64, 32), rows_of_gemm, 64 * 24 * 32),
    Case("gemm-plain", (6, 32), gemm(6, 32, 10), 6 * 10 * 32),
    Case("gemm-left", (6, 32), gemm(6, 32, 10, trans_a=1), 6 * 10 * 32),
    Case("gemm-right", (6, 32), gemm(6, 32, 10, trans_b=1), 6 * 10 * 32),
    Case("gemm-both", (6, 32), gemm(6, 32, 10, trans_a=1, trans_b=1), 6 * 10 * 32),
    Case("matmul-2d", (32,), matmul(32, 10), 320),
    Case("matmul-3d", (64, 32), matmul(32, 24), 64 * 24 * 32),
    Case("matmul-4d", (3, 16, 16), matmul(16, 20), 3 * 16 * 20 * 16),
    Case("matmul-5d", (2, 3, 8, 16), matmul(16, 6), 2 * 3 * 8 * 6 * 16),
    Case("matmul-batched", (3, 8, 16), matmul(3, 16, 6), 3 * 8 * 6 * 16),
    Case("matmul-broadcast", (1, 8, 16), matmul(5, 16, 6), 5 * 8 * 6 * 16),
    Case("matmul-vector", (8, 16), matmul(16), 8 * 16),
    Case("matmul-by-vector", (16, 6), lambda g, x: g.op("MatMul", g.weight(16), x), 16 * 6),
    Case("matmul-left", (3, 12, 10), transposed_left, 3 * 10 * 7 * 12),
    Case("matmul-right", (3, 12, 10), transposed_right, 3 * 12 * 12 * 10),
    Case("matmul-heads", (12, 4, 16), transposed_batch, 4 * 12 * 12 * 16),
    Case("matmul-of-constants", (40, 64), weights_of_weights, 40 * 8 * 64),
    Case("einsum", (64, 32), einsum("nij,jk->nik", (32, 24)), 64 * 24 * 32),
    Case("einsum-transposed", (64, 32), einsum("nij,kj->nki", (24, 32)), 64 * 24 * 32),
    Case("einsum-batched", (5, 8, 16), einsum("nbij,bjk->nbik", (5, 16, 6)), 5 * 8 * 6 * 16),
    Case("einsum-implicit", (64, 32), einsum("nij,jk", (32, 24)), 64 * 24 * 32),
    Case("einsum-ellipsis", (4, 8, 16), einsum("...ij,jk->...ik", (16, 6)), 4 * 8 * 6 * 16),
    Case("einsum-two-sums", (4, 8, 16), einsum("nbij,bjk->nik", (4, 16, 6)), 4 * 8 * 16 * 6),
    Case("einsum-three", (8, 16), einsum("nij,jk,kl->nil", (16, 24), (24, 5)), 8 * 16 * 24 + 8 * 24 * 5),
    Case("attention", (40, 48), attention, 4 * 40 * 48 * 48 + 2 * 4 * 40 * 40 * 12),
    Case("attention-onnx", (40, 48), onnx_attention, 2 * 4 * 40 * 40 * 12, RUNTIMES, opset=23),
    Case("attention-onnx-grouped", (40, 48), onnx_attention_of_others, 40 * 10 * 4 * (12 + 6), RUNTIMES, opset=23),
    Case("lstm", (6, 20), recurrent("LSTM", 4, 20, 6, 10), 20 * 40 * (6 + 10), RUNTIMES),
    Case("lstm-both-ways", (6, 20), recurrent("LSTM", 4, 20, 6, 10, 2), 2 * 20 * 40 * (6 + 10), RUNTIMES),
    Case("gru", (6, 20), recurrent("GRU", 3, 20, 6, 10), 20 * 30 * (6 + 10), RUNTIMES),
    Case("rnn", (6, 20), recurrent("RNN", 1, 20, 6, 10), 20 * 10 * (6 + 10), RUNTIMES),
    Case("scan", (40, 32), scan, 40 * 8 * 32, RUNTIMES),
    Case("loop", (40, 32), loop, 5 * 40 * 32 * 32, RUNTIMES),
    Case("if", (40, 32), branch, 40 * 24 * 32, RUNTIMES),
    Case("int8-conv", IMAGE, int8_conv(3, 8, 3, 3), 8 * 196 * 27, int8=8 * 196 * 27),
    Case("int8-conv-1d", (6, 50), int8_conv(6, 10, 5), 10 * 46 * 30, int8=10 * 46 * 30),
    Case("int8-conv-grouped", (12, 10, 10), int8_conv(12, 18, 3, 3, group=3), 18 * 64 * 36, int8=18 * 64 * 36),
    Case("int8-conv-depthwise", (24, 10, 10), int8_conv(24, 24, 3, 3, group=24), 24 * 64 * 9, int8=24 * 64 * 9),
    Case("int8-conv-3d", (2, 6, 8, 8), int8_conv(2, 5, 3, 3, 3), 5 * 4 * 36 * 54, int8=5 * 4 * 36 * 54),
    Case("int8-matmul", (64, 32), int8_matmul(32, 24), 64 * 24 * 32, int8=64 * 24 * 32),
    Case("int8-matmul-4d", (3, 16, 16), int8_matmul(16, 20), 3 * 16 * 20 * 16, int8=3 * 16 * 20 * 16),
    Case("int8-gemm", (64, 32), int8_gemm, 64 * 24 * 32, ("openvino", "pytorch"), int8=64 * 24 * 32),
    Case("int8-gemm-joined", (64, 32), joined_gemm, 64 * 24 * 32, ORT, int8=64 * 24 * 32),
    Case(
        "int8-then-float",
        IMAGE,
        int8_then_float,
        16 * 256 * 27 + 2 * 256 * 80 * 16 + 16 * 256 * 4 * 4,
        int8=16 * 256 * 27,
    ),
    Case("conv-integer", IMAGE, conv_integer, 10 * 196 * 27, ORT, int8=10 * 196 * 27),
    Case("matmul-integer", (64, 32), matmul_integer, 64 * 24 * 32, ORT, int8=64 * 24 * 32),
    Case("dynamic", (64, 32), dynamic, 64 * 24 * 32, ORT, int8=64 * 24 * 32),
    Case("four-bits", (40, 64), four_bits, 40 * 24 * 64, ORT),
    Case("attention-microsoft", (40, 48), microsoft_attention, 3 * 40 * 48 * 48 + 2 * 40 * 40 * 48, ORT),
    Case(
        "attention-quantized",
        (40, 48),
        quantized_attention,
        3 * 40 * 48 * 48 + 2 * 40 * 40 * 48,
        ORT,
        int8=3 * 40 * 48 * 48,
    ),
    Case("attention-heads", (40, 48), multi_head, 2 * 40 * 40 * 48, ORT),
    Case("experts", (64, 32), experts, 64 * 32 * 4 + 64 * 2 * (24 * 32 + 32 * 24), ORT),
]

"""Small classifiers around one operator that multiplies, with every attribute that shapes how it does."""

from __future__ import annotations

import numpy as np
from small_graphs import SIZE, Net

PIXELS = SIZE * SIZE


def numbers(net, *values):
    return net.constant(np.array(values, np.int64))


def drawn(net, *shape, spread=0.3):
    """Random floats; those along the second axis differ in size, as channels do."""
    value = net.rng.standard_normal(shape) * spread
    if len(shape) > 1:
        value *= np.geomspace(0.3, 3, shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    return net.constant(value.astype(np.float32))


def features(net, channels=6):
    """[N, channels, 16, 16] behind a Relu."""
    return net.op("Relu", net.conv("input", 3, channels, name="stem"))


def finished(net, value, channels):
    """Average over what is left of space, and a linear layer."""
    flat = net.op("Reshape", net.op("Relu", value), numbers(net, 0, channels, -1))
    pooled = net.op("ReduceMean", flat, numbers(net, 2), keepdims=0)
    net.op(
        "Gemm",
        pooled,
        net.weight(4, channels),
        net.constant(np.zeros(4, np.float32)),
        name="fc",
        out="logits",
        transB=1,
    )


def convolution(outputs, group=1, *, channels=6, kernel=(3, 3), bias=True, op="Conv", **attributes):
    """op: Conv [outputs, channels / group, *kernel] or ConvTranspose [channels, outputs / group, *kernel]."""

    def build(net):
        value = features(net, channels)
        if len(kernel) == 1:
            value = net.op("Reshape", value, numbers(net, 0, channels, PIXELS))
        elif len(kernel) == 3:
            value = net.op("Reshape", value, numbers(net, 0, channels, 4, 8, 8))
        shape = (outputs, channels // group) if op == "Conv" else (channels, outputs // group)
        operands = [value, drawn(net, *shape, *kernel)]
        if bias:
            operands.append(net.constant(net.rng.normal(0, 0.1, outputs).astype(np.float32)))
        finished(net, net.op(op, *operands, name="odd", group=group, **attributes), outputs)

    return build


def transposed(outputs, group=1, **options):
    return convolution(outputs, group, op="ConvTranspose", **options)


def gemm(bias=(8,), **attributes):
    def build(net):
        flat = net.op("Flatten", net.op("MaxPool", features(net), kernel_shape=[4, 4], strides=[4, 4]))
        shape = (8, 96) if attributes.get("transB") else (96, 8)
        if attributes.get("transA"):
            flat = net.op("Transpose", flat, perm=[1, 0])
        operands = [flat, drawn(net, *shape)]
        if bias is not None:
            operands.append(net.constant(net.rng.normal(0, 0.1, bias).astype(np.float32)))
        finished(net, net.op("Gemm", *operands, name="odd", **attributes), 8)

    return build


def tokens(net, channels=6):
    """[N, 64, channels]."""
    small = net.op("MaxPool", features(net, channels), kernel_shape=[2, 2], strides=[2, 2])
    return net.op("Transpose", net.op("Reshape", small, numbers(net, 0, channels, 64)), perm=[0, 2, 1])


def channels_first(net, value):
    return net.op("Transpose", value, perm=[0, 2, 1])


def matmul(*shape, flat=False):
    def build(net):
        value = net.op("Reshape", tokens(net), numbers(net, -1, 6)) if flat else tokens(net)
        value = net.op("MatMul", value, drawn(net, *shape), name="odd")
        channels = shape[-1] if len(shape) > 1 else 1
        if flat or len(shape) == 1:
            value = net.op("Reshape", value, numbers(net, -1, 64, channels))
        finished(net, channels_first(net, value), channels)

    return build


def weight_on_the_left(net):
    value = net.op("MatMul", drawn(net, 8, 6), channels_first(net, tokens(net)), name="odd")
    finished(net, value, 8)


def attention(net):
    value = tokens(net)
    query, key = (net.op("MatMul", value, drawn(net, 6, 8)) for _ in range(2))
    weights = net.op("Softmax", net.op("MatMul", query, channels_first(net, key), name="odd"), axis=-1)
    finished(net, channels_first(net, net.op("MatMul", weights, value)), 6)


def einsum(equation, *shape):
    def build(net):
        finished(
            net,
            channels_first(net, net.op("Einsum", tokens(net), drawn(net, *shape), name="odd", equation=equation)),
            8,
        )

    return build


def einsum_of_two(net):
    value = tokens(net)
    scores = net.op("Einsum", value, net.op("MatMul", value, drawn(net, 6, 6)), name="odd", equation="bik,bjk->bij")
    finished(net, channels_first(net, net.op("MatMul", scores, value)), 6)


def weight_not_folded(net):
    """A convolution by a constant that only a runtime computes: an Einsum of constants is not folded."""
    made = net.op("Einsum", drawn(net, 8, 6), drawn(net, 6, 6), equation="ok,ki->oi")
    weight = net.op("Reshape", made, numbers(net, 8, 6, 1, 1))
    finished(net, net.op("Conv", features(net), weight, name="odd"), 8)


GRAPHS = {
    "conv": convolution(8, pads=[1] * 4),
    "conv without bias": convolution(8, bias=False),
    "conv of groups": convolution(8, 2, pads=[1] * 4),
    "conv depthwise": convolution(6, 6, pads=[1] * 4),
    "conv depthwise, twice the channels": convolution(12, 6, pads=[1] * 4),
    "conv dilated, strided, uneven pads": convolution(8, dilations=[2, 1], strides=[1, 2], pads=[0, 1, 2, 0]),
    "conv same upper": convolution(8, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv same lower of groups": convolution(9, 3, auto_pad="SAME_LOWER"),
    "conv valid": convolution(8, auto_pad="VALID"),
    "conv 1-d": convolution(8, kernel=(5,), pads=[2, 2]),
    "conv 1-d of groups": convolution(8, 2, kernel=(5,), strides=[2]),
    "conv 3-d": convolution(8, kernel=(3, 3, 3), pads=[1] * 6),
    "conv 3-d depthwise": convolution(6, 6, kernel=(3, 3, 3), pads=[1] * 6),
    "transposed": transposed(8, strides=[2, 2]),
    "transposed without bias": transposed(8, bias=False, kernel=(2, 2), strides=[2, 2]),
    "transposed of groups": transposed(8, 2, strides=[2, 2]),
    "transposed of groups without bias": transposed(8, 2, bias=False),
    "transposed of uneven groups": transposed(9, 3, pads=[1] * 4),
    "transposed depthwise": transposed(6, 6, kernel=(4, 4), strides=[2, 2], pads=[1] * 4),
    "transposed depthwise, twice the channels": transposed(12, 6, kernel=(2, 2), strides=[2, 2]),
    "transposed output padding": transposed(8, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    "transposed of groups, output padding": transposed(8, 2, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    "transposed output shape": transposed(8, strides=[2, 2], output_shape=[32, 32]),
    "transposed dilated": transposed(8, 2, dilations=[2, 2], pads=[1, 0, 1, 2]),
    "transposed same upper": transposed(8, strides=[2, 2], auto_pad="SAME_UPPER"),
    "transposed 1-d": transposed(8, kernel=(4,), strides=[2], pads=[1, 1]),
    "transposed 1-d of groups": transposed(8, 2, kernel=(4,), strides=[2], pads=[1, 1]),
    "transposed 3-d": transposed(8, kernel=(2, 2, 2), strides=[2, 2, 2]),
    "transposed 3-d of groups": transposed(8, 2, kernel=(2, 2, 2), strides=[2, 2, 2]),
    "gemm": gemm(),
    "gemm transposed": gemm(transB=1),
    "gemm factors": gemm(alpha=0.5, beta=2.0, transB=1),
    "gemm without bias": gemm(None, alpha=2.0),
    "gemm one bias": gemm((1,), transB=1),
    "gemm scalar bias": gemm((), beta=0.5),
    "gemm row of biases": gemm((1, 8)),
    "gemm first transposed": gemm(transA=1, transB=1),
    "matmul": matmul(6, 8, flat=True),
    "matmul of tokens": matmul(6, 8),
    "matmul by a batch of one": matmul(1, 6, 8),
    "matmul by a vector": matmul(6),
    "matmul, weight on the left": weight_on_the_left,
    "attention": attention,
    "einsum": einsum("btc,cd->btd", 6, 8),
    "einsum transposed": einsum("btc,dc->btd", 8, 6),
    "einsum of two activations": einsum_of_two,
    "conv by a weight that is not folded": weight_not_folded,
}


def build(name, path, **options):
    """The named network as a deployable model."""
    net = Net()
    GRAPHS[name](net)
    return net.save(path / "odd.onnx", **options)

"""Small classifiers in ONNX, written node by node, for what calibration must cope with."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial import exporters

SIZE = 16
CONTRACT = exporters.ContractOptions(size=(SIZE, SIZE))


class Net:
    """Collects nodes; `conv`, `gemm` and `op` return the name of their output."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, value, name=None):
        name = name or f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape):
        fan_in = int(np.prod(shape[1:]))
        return self.constant((self.rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32))

    def op(self, kind, *inputs, name=None, out=None, **attributes):
        name = name or f"{kind.lower()}{len(self.nodes)}"
        out = out or f"{name}_out"
        outputs = out if isinstance(out, list) else [out]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=name, **attributes))
        return out

    def conv(self, value, inputs, outputs, *, size=3, stride=1, group=1, bias=True, name=None, out=None):
        operands = [value, self.weight(outputs, inputs // group, size, size)]
        if bias:
            operands.append(self.constant((self.rng.standard_normal(outputs) * 0.1).astype(np.float32)))
        pads, strides = [size // 2] * 4, [stride] * 2
        return self.op("Conv", *operands, name=name, out=out, pads=pads, strides=strides, group=group)

    def head(self, value, channels, *, classes=4):
        pooled = self.op("GlobalAveragePool", value, name="pool")
        flat = self.op("Flatten", pooled, name="flatten")
        bias = self.constant(np.zeros(classes, np.float32))
        return self.op("Gemm", flat, self.weight(classes, channels), bias, name="fc", out="logits", transB=1)

    def save(self, path, *, opset=18, classes=4):
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return exporters.load(path, contract=CONTRACT)


class Images:
    """Calibration images: smooth random colours."""

    def __init__(self, count=40, seed=0, images=None):
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
        self.images = coarse.repeat(SIZE // 4, 1).repeat(SIZE // 4, 2) if images is None else images
        self.digest = f"images {seed} {count}"
        self.largest = 0

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            self.largest = max(self.largest, len(self.images[start : start + size]))
            yield self.images[start : start + size]


def residual(net):
    """Two residual blocks, the second with a convolution on its shortcut, then a global average."""
    first = net.op("Relu", net.conv("input", 3, 8, name="stem"))
    body = net.conv(net.op("Relu", net.conv(first, 8, 8, name="a1")), 8, 8, name="a2")
    second = net.op("Relu", net.op("Add", body, first, name="add1"))
    body = net.conv(net.op("Relu", net.conv(second, 8, 16, stride=2, name="b1")), 16, 16, name="b2")
    shortcut = net.conv(second, 8, 16, size=1, stride=2, name="shortcut")
    net.head(net.op("Relu", net.op("Add", body, shortcut, name="add2")), 16)


def normalised(net):
    """Convolutions followed by BatchNormalization."""
    value, inputs = "input", 3
    for index, channels in enumerate((8, 16)):
        value = net.conv(value, inputs, channels, bias=index == 0, name=f"conv{index}")
        rng = net.rng
        parameters = [rng.uniform(0.5, 2, channels), rng.normal(0, 0.5, channels)]
        parameters += [rng.normal(0, 0.5, channels), rng.uniform(0.5, 2, channels)]
        constants = [net.constant(one.astype(np.float32)) for one in parameters]
        value = net.op("Relu", net.op("BatchNormalization", value, *constants, name=f"bn{index}"))
        inputs = channels
    net.head(value, inputs)


def squeeze_excite(net):
    """Channel attention with Sigmoid and Mul, and a HardSwish, which no integer kernel computes."""
    value = net.op("HardSwish", net.conv("input", 3, 8, name="stem"), name="swish")
    gate = net.op("GlobalAveragePool", value, name="squeeze")
    gate = net.op("Relu", net.conv(gate, 8, 4, size=1, name="reduce"))
    gate = net.op("Sigmoid", net.conv(gate, 4, 8, size=1, name="expand"), name="sigmoid")
    net.head(net.op("Relu", net.conv(net.op("Mul", value, gate, name="scale"), 8, 16, name="last")), 16)


def branches(net):
    """Pooling, padding, concatenation, slicing and transposing between convolutions."""
    value = net.op("Relu", net.conv("input", 3, 8, name="stem"))
    pooled = net.op("MaxPool", value, name="maxpool", kernel_shape=[2, 2], strides=[2, 2])
    padded = net.op("Pad", pooled, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), name="pad")
    sliced = net.op(
        "Slice", padded, *[net.constant(np.array(v, np.int64)) for v in ([1, 1], [9, 9], [2, 3])], name="cut"
    )
    left = net.op("Relu", net.conv(sliced, 8, 8, name="left"))
    right = net.op("Relu", net.conv(sliced, 8, 8, size=1, name="right"))
    joined = net.op("Concat", left, right, name="concat", axis=1)
    turned = net.op("Transpose", joined, name="turn", perm=[0, 1, 3, 2])
    net.head(net.op("Relu", net.conv(turned, 16, 16, name="last")), 16)


def convolutional(net):
    """Convolutions to the end: the scores are a convolution's output, averaged and flattened."""
    value = net.op("Clip", net.conv("input", 3, 8, name="stem"), *clip_bounds(net, 0, 6), name="relu6")
    value = net.op("Clip", net.conv(value, 8, 8, group=8, name="depthwise"), *clip_bounds(net, 0, 6), name="relu6b")
    value = net.op("Clip", net.conv(value, 8, 8, name="middle"), *clip_bounds(net, -1, 1), name="hardtanh")
    value = net.op("Relu", net.conv(value, 8, 4, size=1, name="classifier"))
    net.op("Flatten", net.op("GlobalAveragePool", value, name="pool"), name="flatten", out="logits")


def clip_bounds(net, low, high):
    return net.constant(np.array(low, np.float32)), net.constant(np.array(high, np.float32))


def perceptron(net):
    """MatMul with a bias added, and Gemm with factors."""
    flat = net.op("Flatten", net.conv("input", 3, 4, stride=4, name="stem"), name="flatten")
    hidden = net.op("MatMul", flat, net.weight(64, 32), name="hidden")
    hidden = net.op(
        "Relu", net.op("Add", hidden, net.constant(net.rng.normal(0, 0.1, 32).astype(np.float32)), name="plus")
    )
    bias = net.constant(np.array([[0.3]], np.float32))
    net.op("Gemm", hidden, net.weight(32, 4), bias, name="fc", out="logits", alpha=0.5, beta=2.0)


ALL = {
    "residual": residual,
    "normalised": normalised,
    "squeeze_excite": squeeze_excite,
    "branches": branches,
    "convolutional": convolutional,
    "perceptron": perceptron,
}


def build(name, path, **options):
    """The named network as a deployable model."""
    net = Net()
    ALL[name](net)
    return net.save(path / f"{name}.onnx", **options)

"""ONNX files as they come from elsewhere: changes to the small classifier of `conftest.make_model`, and whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper


def value_info(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def set_batch(batch):
    """The model frozen at a batch; "batch" frees it."""

    def change(model):
        for value in (model.graph.input[0], model.graph.output[0]):
            dim = value.type.tensor_type.shape.dim[0]
            dim.Clear()
            if isinstance(batch, int):
                dim.dim_value = batch
            else:
                dim.dim_param = batch

    return change


def prepend(model, op, shape, kind=TensorProto.FLOAT, **attributes):
    """Puts a node between the graph's input, from now on of `shape` and `kind`, and its first convolution."""
    model.graph.input[0].CopyFrom(value_info("input", kind, shape))
    model.graph.node.insert(0, helper.make_node(op, ["input"], [f"{op.lower()}ed"], name=op.lower(), **attributes))
    model.graph.node[1].input[0] = f"{op.lower()}ed"


def append(model, *nodes, output="logits", shape=("batch", 4), kind=TensorProto.FLOAT):
    """Puts nodes behind "raw", which the Gemm then gives, and before the output."""
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.extend(nodes)
    model.graph.output[0].CopyFrom(value_info(output, kind, list(shape)))


def channels_last(model, size=16):
    prepend(model, "Transpose", ["batch", size, size, 3], perm=[0, 3, 1, 2])


def gray(model, size=16):
    """One input channel, which the first convolution reads three times."""
    prepend(model, "Concat", ["batch", 1, size, size], axis=1)
    model.graph.node[0].input[:] = ["input"] * 3


def gray_channels_last(model, size=16):
    gray(model, size)
    prepend(model, "Transpose", ["batch", size, size, 1], perm=[0, 3, 1, 2])
    model.graph.node[1].input[:] = ["transposeed"] * 3


def without_batch(model):
    """One image in, its scores out: [3, 16, 16] -> [4]."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first"))
    prepend(model, "Unsqueeze", [3, 16, 16])
    model.graph.node[0].input.append("first")
    append(model, helper.make_node("Squeeze", ["raw", "first"], ["logits"], name="squeeze"), shape=(4,))


def one_output(model):
    """A logit [batch, 1] in place of four: the sum of two classes' less that of the two others."""
    sides = np.array([[1], [1], [-1], [-1]], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(sides, "sides"))
    append(model, helper.make_node("MatMul", ["raw", "sides"], ["logits"], name="sides"), shape=("batch", 1))


def one_probability(model):
    """The Sigmoid of `one_output`."""
    one_output(model)
    model.graph.node[-1].output[0] = "logit"
    model.graph.node.append(helper.make_node("Sigmoid", ["logit"], ["logits"], name="sigmoid"))


def without_classes_axis(model):
    """One number per image, [batch]."""
    one_output(model)
    model.graph.node[-1].output[0] = "logit"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "second"))
    model.graph.node.append(helper.make_node("Squeeze", ["logit", "second"], ["logits"], name="squeeze"))
    model.graph.output[0].CopyFrom(value_info("logits", TensorProto.FLOAT, ["batch"]))


def uint8_input(model):
    """uint8 NCHW, scaled to 0..1 inside."""
    prepend(model, "Cast", ["batch", 3, 16, 16], TensorProto.UINT8, to=TensorProto.FLOAT)
    model.graph.initializer.append(numpy_helper.from_array(np.array(255.0, np.float32), "scale"))
    model.graph.node.insert(1, helper.make_node("Div", ["casted", "scale"], ["scaled"], name="div"))
    model.graph.node[2].input[0] = "scaled"


def uint8_channels_last(model):
    uint8_input(model)
    prepend(model, "Transpose", ["batch", 16, 16, 3], TensorProto.UINT8, perm=[0, 3, 1, 2])


def normalised_inside(model):
    """float NCHW that wants 0..255."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(255.0, np.float32), "scale"))
    model.graph.node.insert(0, helper.make_node("Div", ["input", "scale"], ["scaled"], name="div"))
    model.graph.node[1].input[0] = "scaled"


def softmax(model):
    append(model, helper.make_node("Softmax", ["raw"], ["logits"], name="softmax", axis=1))


def softmax_and_reshape(model):
    """A Softmax with an Identity, a Cast and a Reshape behind it, without names, as some converters leave them."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 4], np.int64), "flat"))
    append(
        model,
        helper.make_node("Softmax", ["raw"], ["p"], axis=1),
        helper.make_node("Identity", ["p"], ["q"]),
        helper.make_node("Cast", ["q"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["r", "flat"], ["logits"]),
    )


def two_outputs(model):
    """The pooled features as a second output, with a node that only they need."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones((32, 7), np.float32), "w_extra"))
    model.graph.node.append(helper.make_node("MatMul", ["pooled", "w_extra"], ["embedding"], name="extra"))
    model.graph.output.append(value_info("embedding", TensorProto.FLOAT, ["batch", 7]))


def trailing_ones(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "last"))
    append(model, helper.make_node("Unsqueeze", ["raw", "last"], ["logits"]), shape=("batch", 4, 1, 1))


def half(model):
    """float16 throughout, input and output included."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


def half_inside(model):
    """float16 weights between float32 input and output."""
    half(model)
    prepend(model, "Cast", ["batch", 3, 16, 16], to=TensorProto.FLOAT16)
    append(model, helper.make_node("Cast", ["raw"], ["logits"], to=TensorProto.FLOAT))


def external(path: Path, *, at_least=16) -> Path:
    """The file with its larger weights in `weights/part.bin` below its folder."""
    model = onnx.load(path)
    (path.parent / "weights").mkdir(exist_ok=True)
    raw = b""
    for tensor in model.graph.initializer:
        values = tensor.raw_data
        if len(values) >= at_least:
            point_elsewhere(tensor, "weights/part.bin", offset=len(raw), length=len(values))
            raw += values
    (path.parent / "weights/part.bin").write_bytes(raw)
    path.write_bytes(model.SerializeToString())
    return path


def point_elsewhere(tensor, location, **numbers):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    tensor.external_data.add(key="location", value=str(location))
    for key, value in numbers.items():
        tensor.external_data.add(key=key, value=str(value))


def brevitas_style(
    path: Path, *, weight_bits=8, activation_bits=8, float_weights=False, weight_only=False, float_biases=False, size=16
) -> Path:
    """Quantization-aware training as Brevitas 0.13 exports it.

    Constants in Constant nodes; a Clip where the integers are narrower than their storage; int32 biases in the scale of
    their sums. float_biases: as LSQ, PACT and DoReFa are exported, instead. float_weights: as from torch.export, with
    the float weights behind QuantizeLinear, Clip, DequantizeLinear; else integer weights behind Clip and
    DequantizeLinear, as from TorchScript.
    """
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []

    def constant(name, value):
        tensor = numpy_helper.from_array(value, name)
        nodes.append(helper.make_node("Constant", [], [name], name=f"/{name}", value=tensor))
        return name

    def weight(name, shape, per_channel):
        values = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        limit = 2 ** (weight_bits - 1) - 1
        axes = tuple(range(1, len(shape))) if per_channel else None
        scale = (np.abs(values).max(axis=axes) / limit).astype(np.float32)
        spread = scale.reshape(-1, *[1] * (len(shape) - 1)) if per_channel else scale
        whole = np.clip(np.rint(values / spread), -limit, limit).astype(np.int8)
        constant(f"{name}_scale", scale)
        constant(f"{name}_zero", np.zeros(scale.shape, np.int8))
        current = constant(f"{name}_values", values if float_weights else whole)
        attributes = {"axis": 0} if per_channel else {}
        if float_weights:
            inputs = [current, f"{name}_scale", f"{name}_zero"]
            nodes.append(helper.make_node("QuantizeLinear", inputs, [f"{name}_q"], name=f"/{name}/q", **attributes))
            current = f"{name}_q"
        constant(f"{name}_low", np.array(-limit, np.int8))
        constant(f"{name}_high", np.array(limit, np.int8))
        clip = [current, f"{name}_low", f"{name}_high"]
        nodes.append(helper.make_node("Clip", clip, [f"{name}_clip"], name=f"/{name}/clip"))
        inputs = [f"{name}_clip", f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"/{name}/dq", **attributes))
        return scale

    def activation(source, name, scale, signed):
        if weight_only:
            return source, np.float32(1)
        kind = np.int8 if signed else np.uint8
        constant(f"{name}_scale", np.float32(scale))
        constant(f"{name}_zero", np.zeros((), kind))
        inputs = [source, f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("QuantizeLinear", inputs, [f"{name}_q"], name=f"/{name}/q"))
        current = f"{name}_q"
        if activation_bits < 8:
            low = -(2 ** (activation_bits - 1)) if signed else 0
            constant(f"{name}_low", np.array(low, kind))
            constant(f"{name}_high", np.array(low + 2**activation_bits - 1, kind))
            clip = [current, f"{name}_low", f"{name}_high"]
            nodes.append(helper.make_node("Clip", clip, [f"{name}_clip"], name=f"/{name}/clip"))
            current = f"{name}_clip"
        inputs = [current, f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"/{name}/dq"))
        return name, np.float32(scale)

    def bias(name, count, scale):
        values = (rng.standard_normal(count) / 10).astype(np.float32)
        if weight_only or float_biases:
            constant(name, values)
            return
        scale = np.atleast_1d(scale).astype(np.float32)
        scale = scale if len(scale) == count else scale.reshape(())
        constant(f"{name}_values", np.rint(values / scale).astype(np.int32))
        constant(f"{name}_scale", scale)
        constant(f"{name}_zero", np.zeros(scale.shape, np.int32))
        inputs = [f"{name}_values", f"{name}_scale", f"{name}_zero"]
        attributes = {"axis": 0} if scale.ndim else {}
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=f"/{name}/dq", **attributes))

    steps = 2**activation_bits / 256
    current, scale = activation("input", "a0", 3 / 127 / steps, signed=True)
    for index, (shape, stride) in enumerate([((16, 3, 3, 3), 1), ((32, 16, 3, 3), 2)], start=1):
        own = weight(f"w{index}", shape, per_channel=index == 1)
        bias(f"b{index}", shape[0], own * scale)
        inputs = [current, f"w{index}", f"b{index}"]
        nodes.append(helper.make_node("Conv", inputs, [f"c{index}"], name=f"/c{index}", strides=[stride] * 2))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], name=f"/r{index}"))
        current, scale = activation(f"r{index}", f"a{index}", 2 / 255 / steps, signed=False)
    nodes.append(helper.make_node("GlobalAveragePool", [current], ["pooled"], name="/pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], name="/flat", axis=1))
    current, scale = activation("flat", "a3", 1 / 127 / steps, signed=True)
    bias("b3", 4, weight("w3", (4, 32), per_channel=False) * scale)
    nodes.append(helper.make_node("Gemm", [current, "w3", "b3"], ["logits"], name="/fc", transB=1))
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [value_info("input", TensorProto.FLOAT, ["batch", 3, size, size])],
        [value_info("logits", TensorProto.FLOAT, ["batch", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def ort_quantized(path: Path, source: Path, batches, **options) -> Path:
    """`source` through ONNX Runtime's own static quantization, in its default Q/DQ form."""
    import onnxruntime.quantization as quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = iter(batches)

        def get_next(self):
            batch = next(self.left, None)
            return None if batch is None else {"input": batch}

    quantization.quantize_static(str(source), str(path), Reader(), **{"per_channel": True, **options})
    return path


def old_opset(path: Path, opset: int) -> Path:
    """A classifier as exporters wrote them between 2018 and 2020: attributes where today there are inputs.

    BatchNormalization, Dropout, Clip (min and max as attributes below opset 11), Pad (pads and value as attributes
    below 11), Squeeze with its axes as attribute, and a Softmax that flattens to two dimensions from axis 1. Weights
    are listed among the graph's inputs, as IR version 3 demands.
    """
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
        "scale": rng.uniform(0.5, 2, 8).astype(np.float32),
        "shift": rng.standard_normal(8).astype(np.float32) / 10,
        "mean": rng.standard_normal(8).astype(np.float32) / 10,
        "variance": rng.uniform(0.5, 2, 8).astype(np.float32),
        "w2": rng.standard_normal((8, 4)).astype(np.float32),
        "b2": rng.standard_normal(4).astype(np.float32),
    }
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    if opset < 11:
        pad = helper.make_node("Pad", ["input"], ["padded"], pads=pads, value=0.0, mode="constant")
        clip = helper.make_node("Clip", ["n1"], ["r1"], min=0.0, max=6.0)
    else:
        weights.update(pads=np.array(pads, np.int64), six=np.array(6, np.float32), zero=np.array(0, np.float32))
        pad = helper.make_node("Pad", ["input", "pads", "zero"], ["padded"], mode="constant")
        clip = helper.make_node("Clip", ["n1", "zero", "six"], ["r1"])
    nodes = [
        pad,
        helper.make_node("Conv", ["padded", "w1"], ["c1"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "variance"], ["n1"], epsilon=1e-5),
        clip,
        helper.make_node("GlobalAveragePool", ["r1"], ["pooled"]),
        helper.make_node("Squeeze", ["pooled"], ["flat"], axes=[2, 3]),
        helper.make_node("Dropout", ["flat"], ["kept"], ratio=0.5),
        helper.make_node("Gemm", ["kept", "w2", "b2"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["logits"], axis=1),
    ]
    inputs = [value_info("input", TensorProto.FLOAT, ["batch", 3, 16, 16])]
    for name, value in weights.items():
        inputs.append(value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
    graph = helper.make_graph(
        nodes,
        "old",
        inputs,
        [value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def changed(path: Path, *changes, **options) -> Path:
    """`make_model` with several changes, one after the other."""

    def all_of_them(model):
        for change in changes:
            change(model)

    return make_model(path, change=all_of_them, **options)


def resized(model):
    """Twice the size by scales, then back by sizes that the graph computes from shapes, in floats and in integers; a
    mask from ConstantOfShape, a ramp from Range, and a branch with a subgraph that reads an outer value.
    """
    graph = model.graph
    constants = {
        "scales": np.array([1, 1, 2, 2], np.float32),
        "half_": np.array([1, 1, 0.5, 0.5], np.float32),
        "first": np.array([0], np.int64),
        "start": np.array(0, np.float32),
        "second": np.array(1, np.int64),
        "by": np.array(1, np.float32),
        "yes": np.array(True),
        "small": np.array(0.125, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    zeros = numpy_helper.from_array(np.array([0.5], np.float32))
    branch = [
        helper.make_graph(
            [helper.make_node(op, ["shifted", "small"], [f"{op}_out"])],
            op,
            [],
            [helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)],
        )
        for op in ("Mul", "Div")
    ]
    front = [
        helper.make_node("Resize", ["input", "", "scales"], ["larger"], name="larger", mode="nearest"),
        helper.make_node("Shape", ["larger"], ["shape"], name="shape"),
        helper.make_node("Cast", ["shape"], ["shape_f"], name="shape_f", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["shape_f", "half_"], ["wanted_f"], name="wanted_f"),
        helper.make_node("Cast", ["wanted_f"], ["wanted"], name="wanted", to=TensorProto.INT64),
        helper.make_node("Resize", ["larger", "", "", "wanted"], ["image"], name="smaller", mode="nearest"),
    ]
    for position, node in enumerate(front):
        graph.node.insert(position, node)
    graph.node[len(front)].input[0] = "image"
    append(
        model,
        helper.make_node("Shape", ["raw"], ["raw_shape"], name="raw_shape"),
        helper.make_node("ConstantOfShape", ["raw_shape"], ["fill"], name="fill", value=zeros),
        helper.make_node("Gather", ["raw_shape", "second"], ["classes"], name="classes"),
        helper.make_node("Cast", ["classes"], ["stop"], name="stop", to=TensorProto.FLOAT),
        helper.make_node("Range", ["start", "stop", "by"], ["ramp"], name="ramp"),
        helper.make_node("Mul", ["ramp", "fill"], ["steps"], name="steps"),
        helper.make_node("Add", ["raw", "steps"], ["shifted"], name="shifted"),
        helper.make_node("If", ["yes"], ["chosen"], name="if", then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("Identity", ["chosen"], ["logits"], name="end"),
    )


def untidy(model):
    """What old exporters leave: batch norm behind a convolution, Identity, Dropout, a shape computed at run time."""
    rng = np.random.default_rng(1)
    graph = model.graph
    for name in ("scale", "shift", "average", "variance"):
        graph.initializer.append(numpy_helper.from_array(rng.uniform(0.5, 1.5, 16).astype(np.float32), name))
    graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "rest"))
    graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first"))
    extra = [
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "average", "variance"], ["bn"], name="bn"),
        helper.make_node("Identity", ["bn"], ["same"], name="same"),
    ]
    graph.node[1].input[0] = "same"
    for offset, node in enumerate(extra):
        graph.node.insert(1 + offset, node)
    tail = [
        helper.make_node("Shape", ["pooled"], ["shape"], name="shape"),
        helper.make_node("Gather", ["shape", "first"], ["batch"], name="batch"),
        helper.make_node("Concat", ["batch", "rest"], ["target"], name="target", axis=0),
        helper.make_node("Reshape", ["pooled", "target"], ["flat"], name="flat"),
        helper.make_node("Dropout", ["flat"], ["kept"], name="drop"),
    ]
    graph.node[-1].input[0] = "kept"
    for node in tail:
        graph.node.insert(len(graph.node) - 1, node)

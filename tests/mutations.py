"""Changes to an ONNX graph that keep it an ONNX file: fields that say something else than they should."""

from __future__ import annotations

import onnx
from bombs import functions
from conftest import make_model
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_files import brevitas_style, changed, half_inside, old_opset, softmax_and_reshape

EXTENTS = (-1, 0, 1, 2, 3, 16, 255, 2**20, 2**31, 2**40, 2**62)
OPS = (
    *("Relu", "Clip", "Softmax", "Flatten", "Reshape", "Transpose", "Concat", "Gather", "Slice", "Tile", "Expand"),
    *("ConstantOfShape", "Pad", "Resize", "Cast", "Loop", "If", "Scan", "Constant", "QuantizeLinear", "Conv", "Einsum"),
    *("DequantizeLinear", "QLinearConv", "Squeeze", "BatchNormalization", "Split", "NonZero", "Mystery", "Identity"),
)
NAMES = ("", "input", "logits", "nowhere", "w1", "axes", "c1", "r2", "pooled")
ATTRIBUTES = ("axis", "axes", "perm", "to", "value", "pads", "strides", "kernel_shape", "group", "block_size", "body")
LOCATIONS = ("", ".", "..", "/etc/hostname", "../x", "m.onnx", "a/../b", "nothing", "\0", "x" * 5000)
NUMBERS = ("", "0", "-1", "4", "1e9", "99999999999999999999", "x")

# (what, where, which, new value), taken modulo what there is.
mutations = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=3
)


def originals(root):
    """Files of several kinds, as bytes."""
    made = [
        make_model(root / "plain.onnx"),
        brevitas_style(root / "trained.onnx", weight_bits=4, activation_bits=4),
        old_opset(root / "old.onnx", 9),
        changed(root / "half.onnx", half_inside),
        changed(root / "softmax.onnx", softmax_and_reshape),
        changed(root / "functions.onnx", lambda model: functions(model, 2, 2)),
    ]
    return [path.read_bytes() for path in made]


def mutated(raw: bytes, edits) -> bytes:
    """The model with its fields changed."""
    model = onnx.load_model_from_string(raw)
    for what, where, which, value in edits:
        if not (model.graph.node and model.graph.input and _tensors(model)):
            break
        _KINDS[what % len(_KINDS)](model, where, which, value)
    return model.SerializeToString()


def _at(items, index):
    return items[index % len(items)] if len(items) else None


def _tensors(model):
    values = [a.t for node in model.graph.node for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    return [*model.graph.initializer, *values]


def _dims(model, where, which, value):
    tensor = _at(_tensors(model), where)
    if value % 3 == 0 or not tensor.dims:
        tensor.dims.append(_at(EXTENTS, value))
    else:
        tensor.dims[which % len(tensor.dims)] = _at(EXTENTS, value)


def _data_type(model, where, which, value):
    _at(_tensors(model), where).data_type = value % 32


def _content(model, where, which, value):
    tensor = _at(_tensors(model), where)
    tensor.raw_data = (tensor.raw_data + bytes(which))[value % 7 :]


def _input(model, where, which, value):
    node = _at(model.graph.node, where)
    names = [name for other in model.graph.node for name in other.output]
    chosen = _at(NAMES, value) if value % 2 else _at(names, value)
    if node.input and which % 4:
        node.input[which % len(node.input)] = chosen
    else:
        node.input.append(chosen)


def _output(model, where, which, value):
    node = _at(model.graph.node, where)
    if node.output:
        node.output[0] = _at(NAMES, value)


def _op(model, where, which, value):
    node = _at(model.graph.node, where)
    node.op_type = _at(OPS, value)
    node.domain = ("", "", "", "ai.onnx.ml", "com.microsoft", "local", "far")[which % 7]


def _attribute(model, where, which, value):
    node = _at(model.graph.node, where)
    if node.attribute and which % 2:
        attribute = _at(node.attribute, which)
        attribute.i = _at(EXTENTS, value)
        attribute.ints[:] = [_at(EXTENTS, value + index) for index in range(len(attribute.ints))]
        if value % 5 == 0:
            attribute.type = value % 15
    else:
        new = (_at(EXTENTS, value), [_at(EXTENTS, value)] * (value % 4 + 1), 1e30, b"\xff\xfe", model.graph)[value % 5]
        node.attribute.append(helper.make_attribute(_at(ATTRIBUTES, which), new))


def _external(model, where, which, value):
    tensor = _at(model.graph.initializer, where) or _tensors(model)[0]
    if value % 2:
        tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=_at(LOCATIONS, which))
    tensor.external_data.add(key=("offset", "length")[value % 2], value=_at(NUMBERS, value))


def _border(model, where, which, value):
    described = _at([*model.graph.input, *model.graph.output], where)
    if which % 3 == 0:
        described.type.tensor_type.elem_type = value % 30
    elif described.type.tensor_type.shape.dim:
        described.type.tensor_type.shape.dim[which % len(described.type.tensor_type.shape.dim)].dim_value = _at(
            EXTENTS, value
        )


def _opset(model, where, which, value):
    model.opset_import[0].version = value % 40 - 2
    model.ir_version = which % 16


def _drop(model, where, which, value):
    items = (model.graph.node, model.graph.initializer, model.graph.input, model.graph.output)[which % 4]
    if len(items):
        del items[where % len(items)]


def _function(model, where, which, value):
    if not model.functions:
        return
    function = _at(model.functions, where)
    node = _at(function.node, which)
    node.op_type, node.domain = (("f0", "local"), ("f1", "local"), ("Relu", ""), ("f9", "local"))[value % 4]


_KINDS = (
    *(_dims, _data_type, _content, _input, _output, _op),
    *(_attribute, _external, _border, _opset, _drop, _function),
)

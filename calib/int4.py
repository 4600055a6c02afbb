"""4-bit weights in blocks, activations in float (w4a16): MatMul and Gemm, rounded to nearest or by GPTQ.

The form is one that both ONNX Runtime and TensorRT take: a constant [K, N] in int4 or uint4, scales and zero points per
block along K, DequantizeLinear (opset 21), MatMul. Everything else stays float.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial.calib.blocked import Blocked, round_to_nearest
from seatrial.calib.blocked_opset import at_blocked_opset
from seatrial.calib.gptq import Moments, gptq
from seatrial.calib.images import CalibrationImages
from seatrial.calib.names import check_names
from seatrial.calib.observe import session_for, showing, tensors
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.pointwise import is_pointwise, rewritten
from seatrial.calib.quantizers import Request
from seatrial.calib.recipes import Recipe
from seatrial.calib.warn import describe
from seatrial.errors import UnsupportedError
from seatrial.exporters.contract import Tensor, embed
from seatrial.exporters.graphs import attribute_of, prune
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.quantized import Reader

# A matrix with a longer inner axis than this is rounded to nearest: its Hessian would take over half a gigabyte.
GPTQ_MAX_INNER = 8192
# Options that belong to other precisions, by the value that asks for nothing.
_FOREIGN = {"equalize": False, "bias_correction": False, "keep_float_below_db": None}
_BATCH = 16
_MULTIPLIES = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum")


@dataclasses.dataclass(frozen=True)
class Layer4:
    """A layer that takes 4-bit weights. weight: float32 [K, N]; a Gemm's alpha is multiplied into it."""

    node: onnx.NodeProto
    weight: npt.NDArray[np.float32]

    @property
    def name(self) -> str:
        """The node's own, else that of its output."""
        return _name(self.node)


@dataclasses.dataclass(frozen=True)
class LeftFloat:
    """A layer that stays float, and why."""

    name: str
    op: str
    why: str


def quantize_int4(request: Request, *, pointwise: bool = False) -> DeployableModel:
    """The float32 model with 4-bit weights where the recipe's engine multiplies by them.

    GPTQ's Hessians come from the float model's own activations, in one pass over the images; a matrix whose inner axis
    is longer than GPTQ_MAX_INNER is rounded to nearest. pointwise: rewrites 1 x 1 convolutions to MatMul first; ONNX
    Runtime then runs them in 4 bits, but slower than the float convolutions.

    Raises UnsupportedError where no layer can have 4-bit weights or an option does not apply, UsageError for unknown
    names to keep float, BuildError where the graph cannot be raised to opset 21.
    """
    model, recipe, images, options = request.model, request.recipe, request.images, request.options
    _refuse_foreign(options)
    block = _block(recipe)
    proto = _source(model, images)
    check_names(options.keep_float, proto.graph, "--keep-float")
    stay = (*options.keep_float, *request.leave)
    if pointwise:
        with_pointwise_as_products(proto, recipe, stay)
    layers, left = plan(proto.graph, recipe, stay)
    if not layers:
        reasons = "; ".join(dict.fromkeys(f"{layer.op}: {layer.why}" for layer in left)) or "none multiplies by weights"
        raise UnsupportedError(
            f"No layer of {model.name} can have 4-bit weights on {recipe.engine} ({reasons}). Ask for "
            "another precision."
        )
    moments: dict[str, Moments] = {}
    if options.int4_method == "gptq":
        assert images is not None
        moments = _moments(model, proto, [layer for layer in layers if len(layer.weight) <= GPTQ_MAX_INNER], images)
    for layer in layers:
        seen = moments.get(layer.node.input[0])
        if seen is None:
            codes = round_to_nearest(layer.weight, block, recipe.symmetric_weights)
        else:
            codes = gptq(layer.weight, seen.hessian(), block, recipe.symmetric_weights)
        _replace(proto.graph, layer, codes)
    prune(proto.graph)
    onnx.checker.check_model(proto)
    embed(proto, model.contract, model.class_names or ())
    kept = {**{layer.name: layer.why for layer in left}, **request.leave}
    describe(proto, images=0 if images is None else len(images), options=options, warnings=(), kept=kept)
    return dataclasses.replace(model, proto=proto, precision=recipe.precision)


def plan(
    graph: onnx.GraphProto, recipe: Recipe, keep_float: Sequence[str] = ()
) -> tuple[list[Layer4], list[LeftFloat]]:
    """Which layers take 4-bit weights, and which stay float; nodes without weights to multiply by are in neither."""
    reader = Reader(graph)
    block = _block(recipe)
    layers: list[Layer4] = []
    left: list[LeftFloat] = []
    for node in graph.node:
        if node.op_type in _MULTIPLIES:
            why = "named by keep_float" if _name(node) in keep_float else _obstacle(node, reader, block)
            if why:
                left.append(LeftFloat(_name(node), node.op_type, why))
            else:
                layers.append(Layer4(node, _weight(node, reader)))
    return layers, left


def with_pointwise_as_products(proto: onnx.ModelProto, recipe: Recipe, keep_float: Sequence[str] = ()) -> None:
    """Rewrites, in place, the pointwise convolutions whose channels make whole blocks to MatMul between Transposes."""
    reader = Reader(proto.graph)
    nodes = []
    for node in list(proto.graph.node):
        fits = is_pointwise(node, reader) and reader.value(node.input[1]).shape[1] % _block(recipe) == 0
        if not fits or _name(node) in keep_float:
            nodes.append(node)
            continue
        made, constants = rewritten(node, reader)
        nodes.extend(made)
        proto.graph.initializer.extend(constants)
    _set_nodes(proto.graph, nodes)
    prune(proto.graph)


def _source(model: DeployableModel, images: CalibrationImages | None) -> onnx.ModelProto:
    batch = noise(model) if images is None else next(tensors(model, images, _BATCH))[0]
    return at_blocked_opset(model, batch)


def noise(model: DeployableModel) -> Tensor:
    """Something to compare two graphs on where there are no images."""
    shape = (model.fixed_batch or 2, *model.contract.size, 3)
    return model.contract.normalise(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def _refuse_foreign(options: QuantizeOptions) -> None:
    for field, nothing in _FOREIGN.items():
        if getattr(options, field) != nothing:
            raise UnsupportedError(f"int4 knows no {field.replace('_', ' ')}: it is for precisions with integer sums.")


def _block(recipe: Recipe) -> int:
    assert recipe.block_size is not None
    return recipe.block_size


def _obstacle(node: onnx.NodeProto, reader: Reader, block: int) -> str | None:
    """Why this layer cannot have 4-bit weights in blocks; None where it can."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return "no engine runs convolutions by 4-bit weights"
    if node.op_type == "Einsum" or not reader.is_constant(node.input[1]):
        return "its right side is no constant matrix"
    shape = reader.value(node.input[1]).shape
    if len(shape) != 2:
        return f"its weight is no matrix but {list(shape)}"
    if _number(node, "transA"):
        return "it transposes its input"
    inner = shape[1] if _number(node, "transB") else shape[0]
    if inner % block:
        return f"its inner axis of {inner} is no multiple of the block of {block}"
    if len(node.input) > 2 and node.input[2] and not reader.is_constant(node.input[2]):
        return "its bias is no constant"
    return None


def _weight(node: onnx.NodeProto, reader: Reader) -> npt.NDArray[np.float32]:
    weight = np.asarray(reader.value(node.input[1]), np.float32)
    weight = weight.T if _number(node, "transB") else weight
    alpha = attribute_of(node, "alpha")
    return np.ascontiguousarray(weight if alpha is None else weight * np.float32(alpha.f))


def _moments(
    model: DeployableModel, proto: onnx.ModelProto, layers: Sequence[Layer4], images: CalibrationImages
) -> dict[str, Moments]:
    """The second moments of every layer's input, by the input's name."""
    moments = {layer.node.input[0]: Moments(len(layer.weight)) for layer in layers}
    asked = [name for name in moments if name != model.input_name]
    session = session_for(showing(proto, asked), os.cpu_count() or 1) if asked else None
    # One batch after the other: the sums of floats depend on their order.
    for tensor, real in tensors(model, images, _BATCH):
        values = [] if session is None else session.run(asked, {model.input_name: tensor})
        found = {model.input_name: tensor, **dict(zip(asked, values, strict=True))}
        for name, seen in moments.items():
            value = found[name]
            seen.add(value[:real] if len(value) == len(tensor) else value)
    return moments


def _replace(graph: onnx.GraphProto, layer: Layer4, codes: Blocked) -> None:
    """Puts DequantizeLinear, MatMul and, for a bias, Add in the layer's place."""
    out = layer.node.output[0]
    reader = Reader(graph)
    nodes = list(_nodes_of(layer, codes, reader))
    graph.initializer.extend(_tensors_of(out, codes))
    if len(nodes) > 2:
        beta = attribute_of(layer.node, "beta")
        bias = np.asarray(reader.value(layer.node.input[2]), np.float32) * np.float32(1 if beta is None else beta.f)
        graph.initializer.append(numpy_helper.from_array(bias, f"{out}_bias"))
    position = next(index for index, node in enumerate(graph.node) if out in node.output)
    _set_nodes(graph, [*graph.node[:position], *nodes, *graph.node[position + 1 :]])


def _nodes_of(layer: Layer4, codes: Blocked, reader: Reader) -> Iterator[onnx.NodeProto]:
    node, out, name = layer.node, layer.node.output[0], layer.name
    made = [f"{out}_codes", f"{out}_scale", *([] if codes.symmetric else [f"{out}_zero"])]
    yield helper.make_node(
        "DequantizeLinear", made, [f"{out}_weight4"], name=f"{name}_weight", axis=0, block_size=codes.block
    )
    biased = len(node.input) > 2 and bool(node.input[2])
    product = f"{out}_product4" if biased else out
    yield helper.make_node("MatMul", [node.input[0], f"{out}_weight4"], [product], name=name)
    if biased:
        yield helper.make_node("Add", [product, f"{out}_bias"], [out], name=f"{name}_bias")


def _tensors_of(out: str, codes: Blocked) -> Iterator[onnx.TensorProto]:
    kind = helper.tensor_dtype_to_np_dtype(TensorProto.INT4 if codes.symmetric else TensorProto.UINT4)
    yield numpy_helper.from_array(codes.codes.astype(kind), f"{out}_codes")
    yield numpy_helper.from_array(codes.scale, f"{out}_scale")
    if not codes.symmetric:
        yield numpy_helper.from_array(codes.zero.astype(kind), f"{out}_zero")


def _set_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)  # emptying the field frees what `nodes` holds
        copies.append(copy)
    del graph.node[:]
    graph.node.extend(copies)


def _number(node: onnx.NodeProto, name: str) -> int:
    attribute = attribute_of(node, name)
    return 0 if attribute is None else attribute.i


def _name(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]

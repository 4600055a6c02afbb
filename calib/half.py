"""float16 and bfloat16 files: every value of the graph typed so, for runtimes that execute the types which they read.

Strongly typed TensorRT networks (since TensorRT 11 there are no others) take precision from the file alone. The graph's
input and output stay float32, with one Cast at each border: every target of a run is fed the same tensor and answers in
the same type, the contract stays as it was (it has no bfloat16), and the Cast rounds as a float16 contract would have.
A uint8 input stays uint8.

Which inputs and outputs of an operator may be of the type is read from ONNX's own schemas. What they, the meaning of a
value or its range do not allow stays float32, with a Cast on each edge between the two; `calib.warn.kept_float_of`
lists it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper

from seatrial.calib.half_sums import add_sums
from seatrial.calib.images import CalibrationImages
from seatrial.calib.names import check_names
from seatrial.calib.observe import session_for, showing, tensors
from seatrial.calib.opset import QDQ_OPSET, at_qdq_opset
from seatrial.calib.quantizers import Request
from seatrial.calib.warn import describe
from seatrial.errors import BuildError
from seatrial.exporters.contract import Tensor, embed
from seatrial.exporters.graphs import attribute_of, constants_of, graphs_below, names_used_by, opset_of, prune
from seatrial.exporters.model import DeployableModel

_FLOAT = TensorProto.FLOAT
# Opsets by ONNX's change log: 22 is the first whose Conv and pooling take bfloat16. float16 they always took.
_TYPES: dict[str, tuple[int, str, int]] = {
    "fp16": (TensorProto.FLOAT16, "tensor(float16)", QDQ_OPSET),
    "bf16": (TensorProto.BFLOAT16, "tensor(bfloat16)", 22),
}
_IR_VERSION = 10  # that of opset 22
# The schema would let a Resize's region be float16; it is made of coordinates, not of the image's values.
_FLOAT32_INPUTS = frozenset({("Resize", 1)})
# Without an input of their output's type, these say in an attribute what they make.
_TYPE_ATTRIBUTES = ("to", "dtype", "value")

LARGEST = 65504.0  # of IEEE 754 binary16
SMALLEST_NORMAL = 2.0**-14  # below it float16 loses a bit with every halving, and from 2**-25 on everything
HALF_STEP = 2.0**-11  # the largest relative error of rounding a normal number to its 11 significant bits
# Calibration sees a sample: values may grow to twice of what it showed before they overflow.
MARGIN = 2.0
_TOLERANCE = 1e-4
_BATCH = 8
_CALIBRATION = "the calibration images"


def cast_half(request: Request) -> DeployableModel:
    """The model in float16 (recipe precision "fp16") or bfloat16 ("bf16"), rounded to nearest even.

    Nodes in `options.keep_float`, and for float16 those of `float32_nodes`, stay float32. images: None for a few of
    noise, which show the coarse of it; an overflow that they do not show is seen when the engine runs, as infinite or
    NaN logits. bfloat16 has float32's range and 8 of its 24 significant bits. Raises UsageError for unknown names to
    keep float, and BuildError where the graph cannot be typed so.
    """
    model, precision = request.model, request.recipe.precision
    element, _, opset = _TYPES[precision]
    source = _at_opset(model, opset)
    _lift_constants(source.graph)
    check_names(request.options.keep_float, source.graph, "--keep-float")
    kept = dict.fromkeys(request.options.keep_float, "asked for")
    if precision == "fp16":
        images = _Noise(model.contract.size) if request.images is None else request.images
        seen = "images of noise" if request.images is None else _CALIBRATION
        kept |= _out_of_range(dataclasses.replace(model, proto=source), images, seen)
    try:
        proto, stayed = _typed(source, element, kept)
        embed(proto, model.contract, model.class_names or ())
        count = 0 if request.images is None else len(request.images)
        describe(proto, images=count, options=request.options, warnings=(), kept=stayed)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker and shape inference raise what they meet
        raise BuildError(f"{model.name} cannot be written in {precision}: {error}") from error
    return dataclasses.replace(model, proto=proto, precision=precision)


def float32_nodes(model: DeployableModel, images: CalibrationImages | None) -> dict[str, str]:
    """Name -> reason of every node that does not fit float16's range: its weights, or what it reads and writes.

    A node's name is that of its first output where it has none. Weights: a finite value above 65504, or a tensor that
    loses more than 2**-11 of its Euclidean norm, which only happens below 2**-14, the smallest normal number; channels
    that a folded normalisation has all but switched off lose nothing by that measure. Activations, and the sums inside
    means, norms and the like (`calib.half_sums`): above 65504 / 2 on `images`; None looks at weights alone. Bounds of
    Clip may be larger, and infinite values stay infinite.
    """
    source = onnx.ModelProto()
    source.CopyFrom(model.proto)
    _lift_constants(source.graph)
    return _out_of_range(dataclasses.replace(model, proto=source), images)


def _out_of_range(model: DeployableModel, images: CalibrationImages | None, seen: str = _CALIBRATION) -> dict[str, str]:
    types = _element_types(model.proto)
    constants = {name: numpy_helper.to_array(value) for name, value in constants_of(model.proto.graph).items()}
    largest, sums = ({}, {}) if images is None else _largest(model, types, images)
    found: dict[str, str] = {}
    for node in model.proto.graph.node:
        for place, name in enumerate(node.input):
            if types.get(name) == _FLOAT and name in constants and (node.op_type, place) not in _FLOAT32_INPUTS:
                fault = _misfit(node, place, constants[name])
                if fault:
                    found.setdefault(_name(node), f"{name}: {fault}")
        for name in (*node.input, *node.output):
            if largest.get(name, 0.0) > LARGEST / MARGIN:
                reason = f"{name}: reaches {largest[name]:.3g} on {seen}; float16 ends at {LARGEST:.0f}"
                found.setdefault(_name(node), reason)
        if sums.get(_name(node), 0.0) > LARGEST / MARGIN:
            reason = f"its sums reach {sums[_name(node)]:.3g} on {seen}; float16 ends at {LARGEST:.0f}"
            found.setdefault(_name(node), reason)
    return found


def _misfit(node: onnx.NodeProto, place: int, weight: npt.NDArray[Any]) -> str | None:
    exact = weight.astype(np.float64)
    exact = np.where(np.isfinite(exact), exact, 0.0)
    if exact.size and np.abs(exact).max() > LARGEST:
        return None if node.op_type == "Clip" else f"reaches {np.abs(exact).max():.3g}; float16 ends at {LARGEST:.0f}"
    error = np.abs(exact.astype(np.float16).astype(np.float64) - exact)
    if (node.op_type, place) == ("BatchNormalization", 4):  # a divisor of its own each, and never without epsilon
        epsilon = attribute_of(node, "epsilon")
        lost = float((error / (np.abs(exact) + (1e-5 if epsilon is None else epsilon.f))).max(initial=0.0))
    else:
        lost = float(np.linalg.norm(error) / max(float(np.linalg.norm(exact)), np.finfo(np.float64).tiny))
    if lost <= HALF_STEP:
        return None
    return f"loses {lost:.2g} of its size in float16, whose normal numbers begin at {SMALLEST_NORMAL:.2g}"


def _largest(
    model: DeployableModel, types: Mapping[str, int], images: CalibrationImages
) -> tuple[dict[str, float], dict[str, float]]:
    """Largest magnitude over all images: of every float32 value that a node computes, and of the sums inside nodes."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    names = [name for node in model.proto.graph.node for name in node.output if types.get(name) == _FLOAT]
    sums = {}
    if opset_of(proto) >= QDQ_OPSET:
        sums = add_sums(proto.graph, lambda node: any(types.get(name) == _FLOAT for name in node.input))
    values = [*names, *sums.values()]
    shown = []
    for name in values:  # reduced inside the graph: memory holds no activation longer than the graph needs it
        proto.graph.node.append(helper.make_node("Abs", [name], [f"{name}/abs"]))
        proto.graph.node.append(helper.make_node("ReduceMax", [f"{name}/abs"], [f"{name}/max"], keepdims=0))
        shown.append(f"{name}/max")
    reached = dict.fromkeys(values, 0.0)
    session = session_for(showing(proto, shown))
    for batch, _ in tensors(model, images, _BATCH):
        for name, value in zip(values, session.run(shown, {model.input_name: batch}), strict=True):
            reached[name] = max(reached[name], float(value))
    return {name: reached[name] for name in names}, {node: reached[name] for node, name in sums.items()}


class _Noise:
    """A few images of noise: what there is to look at where nobody gives any."""

    digest = "noise"

    def __init__(self, size: tuple[int, int]) -> None:
        self._images = np.random.default_rng(0).integers(0, 256, (_BATCH, *size, 3), np.uint8)

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, size: int) -> Iterator[npt.NDArray[np.uint8]]:
        """As of real ones."""
        for start in range(0, len(self._images), size):
            yield self._images[start : start + size]


def _typed(source: onnx.ModelProto, element: int, kept: Mapping[str, str]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model with all that can be `element` typed so; and name -> reason of the float nodes that stayed float32."""
    writer = _Writer(source, element)
    kept = {**_shape_arithmetic(source.graph), **kept}
    stayed = {}
    for node in source.graph.node:
        wanted = None if _name(node) in kept else writer.wanted(node)
        if wanted is None and writer.has_floats(node):
            stayed[_name(node)] = kept.get(_name(node), "float32 by its definition")
        writer.add(node, wanted)
    return writer.finish(), stayed


class _Writer:
    """Writes the graph anew, node by node, with a Cast wherever the two float types meet."""

    def __init__(self, source: onnx.ModelProto, element: int) -> None:
        self.source, self.element = source, element
        self.types = _element_types(source)
        self.constants = {tensor.name: tensor for tensor in source.graph.initializer}
        self.word = next(word for kind, word, _ in _TYPES.values() if kind == element)
        self.opset = opset_of(source)
        self.half: set[str] = set()  # values that the new graph computes as `element`
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self.made: dict[tuple[str, int], str] = {}
        self.taken = set(self.types) | set(self.constants)

    def has_floats(self, node: onnx.NodeProto) -> bool:
        """Whether it reads or makes float32."""
        return any(self.types.get(name) == _FLOAT for name in (*names_used_by(node), *node.output))

    def wanted(self, node: onnx.NodeProto) -> list[int] | None:
        """The float type for each input, for a node whose float outputs can be `element`; None where they cannot."""
        if node.domain not in ("", "ai.onnx") or any(True for _ in graphs_below([node])):
            return None
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opset, "")
        except onnx.defs.SchemaError:
            return None
        allowed = {entry.type_param_str: entry.allowed_type_strs for entry in schema.type_constraints}

        def takes(formal: Any, place: int) -> bool:
            kind = formal[min(place, len(formal) - 1)].type_str
            return self.word in allowed.get(kind, (kind,))

        floats = [place for place, name in enumerate(node.output) if self.types.get(name) == _FLOAT]
        if not all(takes(schema.outputs, place) for place in floats):
            return None
        inputs = [
            self.element if takes(schema.inputs, place) and (node.op_type, place) not in _FLOAT32_INPUTS else _FLOAT
            for place in range(len(node.input))
        ]
        reads = any(self.types.get(name) == _FLOAT for name in node.input)
        if floats and not reads and not any(attribute_of(node, name) for name in _TYPE_ATTRIBUTES):
            return None  # Range of integers, or a random tensor, float32 unless told otherwise
        return inputs

    def add(self, node: onnx.NodeProto, wanted: list[int] | None) -> None:
        """Copies a node; wanted: None for float32 throughout."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if wanted is None:
            names = {name: self._read(name, _FLOAT) for name in sorted(names_used_by(node))}
            for reads in (copy, *(inner for graph in graphs_below([copy]) for inner in graph.node)):
                reads.input[:] = [names.get(name, name) for name in reads.input]
        elif node.op_type != "Cast" or node.input[0] in self.constants:  # a Cast reads any type
            copy.input[:] = [self._read(name, kind) for name, kind in zip(node.input, wanted, strict=True)]
        if wanted is not None:
            _retype(copy, self.element)
            self.half.update(name for name in node.output if self.types.get(name) == _FLOAT)
        self.nodes.append(copy)

    def _read(self, name: str, wanted: int) -> str:
        """The name under which the float value is there in the type wanted; makes a Cast or a constant of it."""
        if self.types.get(name) != _FLOAT:
            if name in self.constants:
                self.tensors[name] = self.constants[name]
            return name
        if name not in self.constants and (name in self.half) == (wanted == self.element):
            return name
        if (name, wanted) not in self.made:
            if name in self.constants:
                other = (name, _FLOAT if wanted == self.element else self.element)
                made = self._fresh(name, wanted) if other in self.made else name
                self.tensors[made] = _rounded(self.constants[name], wanted, made)
            else:
                made = self._fresh(name, wanted)
                self.nodes.append(helper.make_node("Cast", [name], [made], name=made, to=wanted))
            self.made[name, wanted] = made
        return self.made[name, wanted]

    def _fresh(self, name: str, kind: int) -> str:
        fresh = f"{name}_{TensorProto.DataType.Name(kind).lower()}"
        while fresh in self.taken:
            fresh += "_"
        self.taken.add(fresh)
        return fresh

    def finish(self) -> onnx.ModelProto:
        """The model: outputs back in float32, nothing left that no output needs."""
        renamed: dict[str, str] = {}
        for output in self.source.graph.output:
            if output.name in self.half:
                renamed[output.name] = self._fresh(output.name, self.element)
        for node in self.nodes:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
        for name, inner in renamed.items():
            self.nodes.append(helper.make_node("Cast", [inner], [name], name=f"{inner}_border", to=_FLOAT))
        proto = onnx.ModelProto()
        proto.CopyFrom(self.source)
        for field in (proto.graph.node, proto.graph.initializer, proto.graph.value_info):
            del field[:]
        proto.graph.node.extend(self.nodes)
        proto.graph.initializer.extend(self.tensors.values())
        prune(proto.graph)
        return proto


def _retype(node: onnx.NodeProto, element: int) -> None:
    for attribute in node.attribute:
        if attribute.name in ("to", "dtype") and attribute.i == _FLOAT:
            attribute.i = element
        elif attribute.name == "value" and attribute.t.data_type == _FLOAT:
            attribute.t.CopyFrom(_rounded(attribute.t, element, attribute.t.name))


def _rounded(tensor: onnx.TensorProto, element: int, name: str) -> onnx.TensorProto:
    value = numpy_helper.to_array(tensor)
    if element != _FLOAT:
        kind = np.float16 if element == TensorProto.FLOAT16 else ml_dtypes.bfloat16
        with np.errstate(over="ignore"):  # a Clip's bound beyond the type becomes infinite: none
            value = value.astype(kind)
    return numpy_helper.from_array(value, name)


def _shape_arithmetic(graph: onnx.GraphProto) -> dict[str, str]:
    """Name -> reason of the nodes that only compute with shapes: float16 counts exactly to 2048, bfloat16 to 256."""
    data = {value.name for value in graph.input}
    shapes: set[str] = set()
    found = {}
    for node in graph.node:
        used = names_used_by(node)
        if node.op_type in ("Shape", "Size"):
            shapes.update(node.output)
        elif node.op_type == "ConstantOfShape" or used & data:
            data.update(node.output)
        elif used & shapes:
            shapes.update(node.output)
            found[_name(node)] = "computes with shapes"
    return found


def _lift_constants(graph: onnx.GraphProto) -> None:
    """Constant nodes of the main graph as initializers, in place; nodes without a name get their first output's."""
    kept = []
    for node in graph.node:
        value = _constant(node) if node.op_type == "Constant" else None
        if value is None:
            node.name = _name(node)
            kept.append(node)
        else:
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def _constant(node: onnx.NodeProto) -> npt.NDArray[Any] | None:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute), np.int64)
    return None


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    found = onnx.shape_inference.infer_shapes(model).graph
    described = (*found.value_info, *found.input, *found.output)
    types = {value.name: value.type.tensor_type.elem_type for value in described}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    types = {name: kind for name, kind in types.items() if kind}
    for node in model.graph.node:  # some operators are functions, of which inference may know no types
        types = _types_by_schema(node, opset_of(model), types) | types
    return types


def _types_by_schema(node: onnx.NodeProto, opset: int, types: Mapping[str, int]) -> dict[str, int]:
    """Those of its outputs that its schema says are of the type of an input."""
    missing = [place for place, name in enumerate(node.output) if name and name not in types]
    if not missing or node.domain not in ("", "ai.onnx"):
        return {}
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return {}
    known = {
        schema.inputs[min(place, len(schema.inputs) - 1)].type_str: types[name]
        for place, name in enumerate(node.input)
        if name in types
    }
    formal = {place: schema.outputs[min(place, len(schema.outputs) - 1)].type_str for place in missing}
    return {node.output[place]: known[word] for place, word in formal.items() if word in known}


def _name(node: onnx.NodeProto) -> str:
    return node.name or next(name for name in node.output if name)


def _at_opset(model: DeployableModel, opset: int) -> onnx.ModelProto:
    """The model's graph at that opset or above; BuildError where converting it changes what it computes."""
    size = (model.fixed_batch or 1, *model.contract.size, 3)
    batch = model.contract.normalise(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    source = at_qdq_opset(model, batch)
    if opset_of(source) >= opset:
        return source
    source.ir_version = max(source.ir_version, _IR_VERSION)
    try:
        converted = onnx.version_converter.convert_version(source, opset)
    except Exception as error:  # the converter raises what it meets
        raise BuildError(
            f"{model.name} cannot be converted to opset {opset}: {error}. {_AGAIN.format(opset)}"
        ) from error
    before, after = (_scores(model, proto, batch) for proto in (source, converted))
    if before.shape != after.shape or not np.allclose(
        before, after, rtol=0, atol=_TOLERANCE * max(1, np.abs(before).max())
    ):
        raise BuildError(f"{model.name}, converted to opset {opset}, computes something else. {_AGAIN.format(opset)}")
    return converted


_AGAIN = "Export it again with opset {} or above."


def _scores(model: DeployableModel, proto: onnx.ModelProto, batch: Tensor) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float32] = session_for(proto).run([model.output_name], {model.input_name: batch})[0]
    return found.astype(np.float64)

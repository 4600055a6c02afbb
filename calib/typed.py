"""A float32 graph, written anew with its values in a smaller float type wherever operators take it.

Which inputs and outputs of an operator may be of the type is read from ONNX's own schemas. What they, the meaning of a
value or the caller do not allow stays float32, with a Cast on each edge between the two. The graph's input and output
stay as they are, with one Cast at each border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial.calib.opset import QDQ_OPSET
from seatrial.exporters.graphs import attribute_of, graphs_below, names_used_by, opset_of, prune

FLOAT = TensorProto.FLOAT
# Opsets by ONNX's change log: 22 is the first whose Conv and pooling take bfloat16. float16 they always took.
TYPES: dict[str, tuple[int, str, int]] = {
    "fp16": (TensorProto.FLOAT16, "tensor(float16)", QDQ_OPSET),
    "bf16": (TensorProto.BFLOAT16, "tensor(bfloat16)", 22),
}
# The schema would let a Resize's region be float16; it is made of coordinates, not of the image's values.
FLOAT32_INPUTS = frozenset({("Resize", 1)})
# Without an input of their output's type, these say in an attribute what they make.
_TYPE_ATTRIBUTES = ("to", "dtype", "value")


def typed(source: onnx.ModelProto, element: int, kept: Mapping[str, str]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model with all that can be `element` typed so; and name -> reason of the float nodes that stayed float32."""
    writer = _Writer(source, element)
    kept = {**_shape_arithmetic(source.graph), **kept}
    stayed = {}
    for node in source.graph.node:
        wanted = None if name_of(node) in kept else writer.wanted(node)
        if wanted is None and writer.has_floats(node):
            stayed[name_of(node)] = kept.get(name_of(node), "float32 by its definition")
        writer.add(node, wanted)
    return writer.finish(), stayed


class _Writer:
    """Writes the graph anew, node by node, with a Cast wherever the two float types meet."""

    def __init__(self, source: onnx.ModelProto, element: int) -> None:
        self.source, self.element = source, element
        self.types = element_types(source)
        self.constants = {tensor.name: tensor for tensor in source.graph.initializer}
        self.word = next(word for kind, word, _ in TYPES.values() if kind == element)
        self.opset = opset_of(source)
        self.half: set[str] = set()  # values that the new graph computes as `element`
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self.made: dict[tuple[str, int], str] = {}
        self.taken = set(self.types) | set(self.constants)

    def has_floats(self, node: onnx.NodeProto) -> bool:
        """Whether it reads or makes float32."""
        return any(self.types.get(name) == FLOAT for name in (*names_used_by(node), *node.output))

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

        floats = [place for place, name in enumerate(node.output) if self.types.get(name) == FLOAT]
        if not all(takes(schema.outputs, place) for place in floats):
            return None
        inputs = [
            self.element if takes(schema.inputs, place) and (node.op_type, place) not in FLOAT32_INPUTS else FLOAT
            for place in range(len(node.input))
        ]
        reads = any(self.types.get(name) == FLOAT for name in node.input)
        if floats and not reads and not any(attribute_of(node, name) for name in _TYPE_ATTRIBUTES):
            return None  # Range of integers, or a random tensor, float32 unless told otherwise
        return inputs

    def add(self, node: onnx.NodeProto, wanted: list[int] | None) -> None:
        """Copies a node; wanted: None for float32 throughout."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if wanted is None:
            names = {name: self._read(name, FLOAT) for name in sorted(names_used_by(node))}
            for reads in (copy, *(inner for graph in graphs_below([copy]) for inner in graph.node)):
                reads.input[:] = [names.get(name, name) for name in reads.input]
        elif node.op_type != "Cast" or node.input[0] in self.constants:  # a Cast reads any type
            copy.input[:] = [self._read(name, kind) for name, kind in zip(node.input, wanted, strict=True)]
        if wanted is not None:
            _retype(copy, self.element)
            self.half.update(name for name in node.output if self.types.get(name) == FLOAT)
        self.nodes.append(copy)

    def _read(self, name: str, wanted: int) -> str:
        """The name under which the float value is there in the type wanted; makes a Cast or a constant of it."""
        if self.types.get(name) != FLOAT:
            if name in self.constants:
                self.tensors[name] = self.constants[name]
            return name
        if name not in self.constants and (name in self.half) == (wanted == self.element):
            return name
        if (name, wanted) not in self.made:
            if name in self.constants:
                other = (name, FLOAT if wanted == self.element else self.element)
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
            self.nodes.append(helper.make_node("Cast", [inner], [name], name=f"{inner}_border", to=FLOAT))
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
        if attribute.name in ("to", "dtype") and attribute.i == FLOAT:
            attribute.i = element
        elif attribute.name == "value" and attribute.t.data_type == FLOAT:
            attribute.t.CopyFrom(_rounded(attribute.t, element, attribute.t.name))


def _rounded(tensor: onnx.TensorProto, element: int, name: str) -> onnx.TensorProto:
    value = numpy_helper.to_array(tensor)
    if element != FLOAT:
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
            found[name_of(node)] = "computes with shapes"
    return found


def lift_constants(graph: onnx.GraphProto) -> None:
    """Constant nodes of the main graph as initializers, in place; nodes without a name get their first output's."""
    kept = []
    for node in graph.node:
        value = _constant(node) if node.op_type == "Constant" else None
        if value is None:
            node.name = name_of(node)
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


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Value -> TensorProto's number of its type, as far as shape inference and the operators' schemas tell."""
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


def name_of(node: onnx.NodeProto) -> str:
    """The node's own name, else that of its first output."""
    return node.name or next(name for name in node.output if name)

"""A graph that takes the pixels as they are and normalises them itself, as deployed models often do."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial.exporters.contract import InputContract
from seatrial.exporters.graphs import graphs_below
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.rewrites.finish import copied, finished
from seatrial.exporters.rewrites.registry import REWRITES

# The first IR version in which a constant need not be an input, too.
_CONSTANTS_ALONE = 4


@REWRITES.register("uint8-input")
def uint8_input(model: DeployableModel) -> DeployableModel | str:
    """The input becomes uint8 of the same name, layout and colour order; Cast, Div, Sub and Div behind it compute what
    `InputContract.normalise` does, in float32 and in its order, then a Cast where the graph goes on in float16.

    The model's contract becomes that of raw pixels: dtype uint8, divisor 1, mean 0, std 1.
    """
    contract = model.contract
    if contract.dtype == "uint8":
        return "the graph takes uint8 pixels already"
    proto = copied(model)
    nodes, constants, output = _normalisation(proto.graph, model.input_name, contract)
    for node in proto.graph.node:
        for reads in (node, *(inner for below in graphs_below([node]) for inner in below.node)):
            reads.input[:] = [output if name == model.input_name else name for name in reads.input]
    _prepend(proto.graph, nodes)
    proto.graph.initializer.extend(constants)
    for value in proto.graph.input:
        if value.name == model.input_name:
            value.type.tensor_type.elem_type = TensorProto.UINT8
    proto.ir_version = max(proto.ir_version, _CONSTANTS_ALONE)
    raw = dataclasses.replace(contract, dtype="uint8", divisor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return finished(model, proto, (), raw)


def _normalisation(
    graph: onnx.GraphProto, source: str, contract: InputContract
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]:
    """Nodes, constants, and the name of the value that takes the input's place. Steps that change nothing are left
    out.
    """
    taken = {name for node in graph.node for name in (node.name, *node.output)}
    taken |= {tensor.name for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def step(kind: str, word: str, operand: onnx.TensorProto | None = None, to: int | None = None) -> None:
        before = nodes[-1].output[0] if nodes else source
        inputs = [before]
        if operand is not None:
            constants.append(operand)
            inputs.append(operand.name)
        name = free(f"{source}_{word}")
        nodes.append(helper.make_node(kind, inputs, [name], name=name, to=to))

    step("Cast", "pixels", to=TensorProto.FLOAT)
    per_channel = (-1,) if contract.layout == "nhwc" else (-1, 1, 1)
    for kind, word, value in (
        ("Div", "divisor", np.array(contract.divisor, np.float32)),
        ("Sub", "mean", np.array(contract.mean, np.float32).reshape(per_channel)),
        ("Div", "std", np.array(contract.std, np.float32).reshape(per_channel)),
    ):
        if (value != (0 if kind == "Sub" else 1)).any():
            step(
                kind,
                f"over_{word}" if kind == "Div" else "centred",
                numpy_helper.from_array(value, free(f"{source}_{word}")),
            )
    if contract.dtype == "float16":
        step("Cast", "half", to=TensorProto.FLOAT16)
    return nodes, constants, nodes[-1].output[0]


def _prepend(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    kept = [onnx.NodeProto() for _ in graph.node]
    for copy, node in zip(kept, graph.node, strict=True):
        copy.CopyFrom(node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])

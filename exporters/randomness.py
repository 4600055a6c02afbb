"""Operators that draw random numbers: a graph with one of them need not answer twice alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from seatrial.exporters.graphs import attribute_of, constants_of, graphs_in, live_nodes, opset_of

_DRAWS = {
    "RandomNormal": "draws random numbers",
    "RandomNormalLike": "draws random numbers",
    "RandomUniform": "draws random numbers",
    "RandomUniformLike": "draws random numbers",
    "Multinomial": "draws samples",
    "Bernoulli": "draws bits",
}
# ONNX Runtime's fused forms of Dropout take the training flag in the same place.
_DROPS = {"Dropout": (1, 2), "BiasDropout": (3, 4), "BitmaskDropout": (1, 2), "BitmaskBiasDropout": (3, 4)}
_TRAINING_DROPOUT_OPSET = 12

Constants = Mapping[str, onnx.TensorProto]


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An operator that may make answers differ: its name (that of its first output where it has none), its type, and
    what it does.
    """

    node: str
    op: str
    does: str

    def __str__(self) -> str:
        return f"{self.op} {self.node!r} {self.does}"


def suspect(node: onnx.NodeProto, does: str) -> Suspect:
    """`node` as a suspect."""
    return Suspect(node.name or next((name for name in node.output if name), ""), node.op_type, does)


def random_nodes(model: onnx.ModelProto) -> tuple[Suspect, ...]:
    """What in the graph, at any depth, draws random numbers on which its outputs hang, in order.

    A seed in the file changes nothing: the second answer continues the sequence. Left out is what cannot draw two
    values: Dropout outside of training or of nothing, and an interval without length.
    """
    return tuple(_below(model.graph, {}, opset_of(model)))


def _below(graph: onnx.GraphProto, outer: Constants, opset: int) -> Iterator[Suspect]:
    constants = {**outer, **constants_of(graph)}
    for node in live_nodes(graph):
        does = _draws(node, constants, opset)
        if does is not None:
            yield suspect(node, does)
        for inner in graphs_in(node.attribute):
            yield from _below(inner, constants, opset)


def _draws(node: onnx.NodeProto, constants: Constants, opset: int) -> str | None:
    if node.op_type in _DROPS:
        ratio, training = (_constant(node, place, constants) for place in _DROPS[node.op_type])
        never = opset < _TRAINING_DROPOUT_OPSET or not _given(node, _DROPS[node.op_type][1])
        if never or (training is not None and not training.any()) or (ratio is not None and not ratio.any()):
            return None
        return "drops values at random: it is in training mode"
    if node.op_type not in _DRAWS:
        return None
    if node.op_type.startswith("RandomUniform") and _number(node, "low", 0.0) == _number(node, "high", 1.0):
        return None
    return _DRAWS[node.op_type]


def _given(node: onnx.NodeProto, place: int) -> bool:
    return len(node.input) > place and bool(node.input[place])


def _constant(
    node: onnx.NodeProto, place: int, constants: Constants
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    if not _given(node, place) or node.input[place] not in constants:
        return None
    return numpy_helper.to_array(constants[node.input[place]])


def _number(node: onnx.NodeProto, name: str, default: float) -> float:
    found = attribute_of(node, name)
    return default if found is None else found.f

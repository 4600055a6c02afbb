"""Which output holds the scores, how many classes it has, and whether they are logits or probabilities."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
from onnx import TensorProto

from exporters.graphs import prune
from exporters.shapes import Shapes, dimensions
from exporters.signature import spell_shape
from exporters.tensors import type_name
from shipcheck.errors import BadInputError, UsageError

LOGITS, PROBABILITIES = "logits", "probabilities"
# What may stand behind a Softmax without changing what its numbers mean.
_CARRIES = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Transpose", "Dropout"})
_CARRIES_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear"})


@dataclasses.dataclass(frozen=True)
class Scores:
    """The output: its name, the number of classes, and what its numbers are."""

    name: str
    classes: int
    kind: str


def choose_output(model: onnx.ModelProto, name: str | None, path: Path) -> None:
    """Leaves one output, in place: the only one, or that of `name`. What only the others need is cut off.

    Raises UsageError for an unknown name, BadInputError where there are several and none is named; both list the
    outputs with their shapes.
    """
    outputs = {value.name: value for value in model.graph.output}
    known = ", ".join(f"{key} {spell_shape(dimensions(value))}" for key, value in outputs.items())
    if name is None and len(outputs) != 1:
        raise BadInputError(
            f"{path} has {len(outputs)} outputs ({', '.join(outputs)}), and one of them holds the logits. Say which: "
            f"--output NAME. Their shapes: {known}."
        )
    if name is not None and name not in outputs:
        raise UsageError(f"{path} has no output {name!r}. It has: {known}.")
    if len(outputs) > 1:
        chosen = onnx.ValueInfoProto()
        chosen.CopyFrom(outputs[name or ""])
        del model.graph.output[:]
        model.graph.output.append(chosen)
        prune(model.graph)


def read_scores(model: onnx.ModelProto, shapes: Shapes, path: Path) -> Scores:
    """The scores' output, [batch, classes] or [batch, classes, 1, 1] of floats.

    shapes: what inference found for one image, where the file does not say. Raises BadInputError for anything else.
    """
    output = model.graph.output[0]
    inferred_type, inferred = shapes.get(output.name, (0, None))
    data_type = output.type.tensor_type.elem_type or inferred_type
    if data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        raise BadInputError(
            f"{path}: output {output.name!r} is {type_name(data_type)}; expected floats, one score per class. Export "
            "the "
            "model without the ArgMax, TopK or quantization behind its scores, or name another output: --output NAME."
        )
    shape = _merged(dimensions(output), inferred)
    if shape is None or len(shape) < 2 or shape[1] is None or any(extent != 1 for extent in shape[2:]):
        raise BadInputError(
            f"{path}: output {output.name!r} has shape {spell_shape(shape)}; expected [batch, classes] with a known "
            "number "
            "of classes (or [batch, classes, 1, 1]). Export it with a fixed number of classes and a Flatten at its "
            "end, "
            "or name another output: --output NAME."
        )
    kind = PROBABILITIES if trailing_softmax(model.graph) else LOGITS
    return Scores(output.name, shape[1], kind)


def trailing_softmax(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The Softmax whose probabilities are the graph's output, and the nodes behind it; empty where there is none."""
    producers = {name: node for node in graph.node for name in node.output}
    trail = []
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in _CARRIES | _CARRIES_QUANTIZED and node.input:
        trail.append(node)
        node = producers.get(node.input[0])
    return [*trail, node] if node is not None and node.op_type == "Softmax" else []


def _merged(
    declared: tuple[int | None, ...] | None, found: tuple[int | None, ...] | None
) -> tuple[int | None, ...] | None:
    """What inference knows, and what the file declares where inference is silent."""
    if declared is None or found is None or len(found) != len(declared):
        return found or declared
    return tuple(own if known is None else known for own, known in zip(declared, found, strict=True))

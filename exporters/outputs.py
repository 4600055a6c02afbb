"""Which output holds the scores, how many classes it has, and whether they are logits or probabilities."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.axes import complete_output
from seatrial.exporters.graphs import prune
from seatrial.exporters.shapes import Shapes, dimensions
from seatrial.exporters.signature import spell_shape
from seatrial.exporters.tensors import type_name

LOGITS, PROBABILITIES = "logits", "probabilities"
SOFTMAX = "Softmax"
_SIGMOIDS = ("Sigmoid", "HardSigmoid")
# What may stand behind a Softmax or Sigmoid without changing what its numbers mean.
_CARRIES = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Transpose", "Dropout"})
_CARRIES_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear"})
_BINARY = {
    PROBABILITIES: "The one output {!r} is read as the probability of class 1 of two, since a Sigmoid makes it: above "
    "0.5 is class 1.",
    LOGITS: "The one output {!r} is read as the logit of class 1 of two, since no Sigmoid makes it: above 0 is class "
    "1. If it is a probability, export the model with a Sigmoid at its end.",
}


@dataclasses.dataclass(frozen=True)
class Scores:
    """The output: its name, the number of classes, and what its numbers are.

    binary: it has one number per image, which stands for two classes (`seatrial.scores`). notes: what was done to it.
    """

    name: str
    classes: int
    kind: str
    binary: bool = False
    notes: tuple[str, ...] = ()


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


def read_scores(model: onnx.ModelProto, shapes: Shapes, batch: int | None, path: Path) -> Scores:
    """The scores' output, [batch, classes] or [batch, classes, 1, 1] of floats; [batch, 1] or [batch] for two classes.

    shapes: what inference found for one image, where the file does not say. batch: that the graph is frozen at, None if
    free; at 1, an output without a batch axis gets one, in place. Raises BadInputError for anything else.
    """
    output = model.graph.output[0]
    inferred_type, inferred = shapes.get(output.name, (0, None))
    data_type = output.type.tensor_type.elem_type or inferred_type
    if data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        raise BadInputError(
            f"{path}: output {output.name!r} is {type_name(data_type)}; expected floats, one score per class. "
            f"{_without_choice(model.graph, path)}"
        )
    shape = _merged(dimensions(output), inferred)
    done = None
    if batch == 1:
        shape, done = complete_output(model, shape)
    if shape is not None and len(shape) == 1 and shape[0] == (batch or 1):
        shape = (*shape, 1)
    if shape is None or len(shape) < 2 or shape[1] is None or any(extent != 1 for extent in shape[2:]):
        raise BadInputError(
            f"{path}: output {output.name!r} has shape {spell_shape(shape)}; expected [batch, classes] with a known "
            "number of classes (or [batch, classes, 1, 1]; [batch, 1] for two classes). Export it with a fixed number "
            "of classes and a Flatten at its end, or name another output: --output NAME."
        )
    notes = () if done is None else (done,)
    _, last = _trail(model.graph)
    makes = "" if last is None else last.op_type
    if shape[1] > 1:
        return Scores(output.name, shape[1], PROBABILITIES if makes == SOFTMAX else LOGITS, notes=notes)
    if makes == SOFTMAX:
        raise BadInputError(
            f"{path}: output {output.name!r} is a Softmax over one class, which is 1 whatever the image. Export the "
            "model with a Sigmoid in its place, or with two outputs."
        )
    kind = PROBABILITIES if makes in _SIGMOIDS else LOGITS
    return Scores(output.name, 2, kind, True, (*notes, _BINARY[kind].format(output.name)))


def _without_choice(graph: onnx.GraphProto, path: Path) -> str:
    """What to do about an output that names classes in place of scoring them."""
    _, node = _trail(graph)
    if node is None or node.op_type not in ("ArgMax", "TopK"):
        return "Export the model without the quantization behind its scores, or name another output: --output NAME."
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in weights]
    cut = f"onnx.utils.extract_model({str(path)!r}, 'scores.onnx', {inputs}, [{node.input[0]!r}])"
    return (
        f"The scores lie in front of its {node.op_type}: name the output that holds them (--output NAME), or cut the "
        f"file there, in Python: import onnx.utils; {cut}"
    )


def trailing_probabilities(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The Softmax or Sigmoid whose probabilities are the graph's output, and the nodes behind it, from the last; empty
    where there is none.
    """
    trail, node = _trail(graph)
    return [*trail, node] if node is not None and node.op_type in (SOFTMAX, *_SIGMOIDS) else []


def _trail(graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], onnx.NodeProto | None]:
    """The nodes before the output that change no number, from the last, and the one in front of them."""
    producers = {name: node for node in graph.node for name in node.output}
    trail = []
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in _CARRIES | _CARRIES_QUANTIZED and node.input:
        trail.append(node)
        node = producers.get(node.input[0])
    return trail, node


def _merged(
    declared: tuple[int | None, ...] | None, found: tuple[int | None, ...] | None
) -> tuple[int | None, ...] | None:
    """What inference knows, and what the file declares where inference is silent."""
    if declared is None or found is None or len(found) != len(declared):
        return found or declared
    return tuple(own if known is None else known for own, known in zip(declared, found, strict=True))

"""A batch that a graph holds inside, although its input declares it free: found by inferring shapes at two batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import all_graphs, attribute_of, constants_of
from seatrial.exporters.shapes import shapes_of

# Larger than any batch that an exporter writes down, and no multiple of one: an output that does not follow it is held.
_LARGE = 509
_MOST = 1024
_NAMED = 3
# Operators whose constant of this place is a shape, or bounds along the first axis.
_SHAPED = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0, "Resize": 3}


def held_batch(model: onnx.ModelProto, input_name: str, image: tuple[int, ...], path: Path) -> int | None:
    """The batch at which a graph gives one answer an image, where inference shows that a larger one gives fewer.

    image: shape of one image's input. None where the batch is free, or inference does not tell.
    """
    large = _answers(model, input_name, (_LARGE, *image), path)
    if large is None or large == _LARGE:
        return None
    found = (held for held in dict.fromkeys((large, *held_numbers(model))) if held < _LARGE)
    return next((held for held in found if _answers(model, input_name, (held, *image), path) == held), None)


def held_numbers(model: onnx.ModelProto) -> list[int]:
    """Numbers that may be a batch, the most frequent first: what constant shapes begin with, and leading extents of
    constants that are broadcast along the batch.
    """
    found: list[int] = []
    for graph in all_graphs(model):
        constants = constants_of(graph)
        for node in graph.node:
            target = _target(node, constants)
            if target:
                found.append(target[0])
        found += [tensor.dims[0] for tensor in constants.values() if len(tensor.dims) > 1]
    likely = [number for number in found if 0 < number <= _MOST]
    return sorted(dict.fromkeys(likely), key=lambda number: (-likely.count(number), number))


def holders(model: onnx.ModelProto, batch: int) -> list[str]:
    """The nodes whose constant shape begins with `batch`, as in "Reshape 'flat' to [1, 32]"."""
    return [
        f"{node.op_type} {node.name or node.output[0]!r} to {list(target)}"
        for graph, node in _nodes(model)
        if (target := _target(node, constants_of(graph))) and target[0] == batch
    ]


def held_words(model: onnx.ModelProto, batch: int) -> str:
    """The sentence on a model that is run at the batch it holds."""
    found = holders(model, batch)
    where = f" ({', '.join(found[:_NAMED])}{' and more' if len(found) > _NAMED else ''})" if found else ""
    return (
        f"The batch is declared free, but the graph holds {batch}{where}: it is run at batch {batch}"
        f"{'' if batch == 1 else f', a single query, too, whose latency is that of {batch} images'}. "
        "`bench.py export --batch free` frees it where it can."
    )


def _nodes(model: onnx.ModelProto) -> Iterator[tuple[onnx.GraphProto, onnx.NodeProto]]:
    for graph in all_graphs(model):
        yield from ((graph, node) for node in graph.node)


def _target(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> tuple[int, ...]:
    place = _SHAPED.get(node.op_type)
    if place is None or len(node.input) <= place:
        shape = attribute_of(node, "shape")
        return () if shape is None else tuple(shape.ints)
    tensor = constants.get(node.input[place])
    if tensor is None or tensor.data_type != TensorProto.INT64 or len(tensor.dims) != 1:
        return ()
    return tuple(int(extent) for extent in numpy_helper.to_array(tensor))


def _answers(model: onnx.ModelProto, input_name: str, shape: tuple[int, ...], path: Path) -> int | None:
    """How many answers inference gives for an input of that shape; None where it does not tell."""
    try:
        _, found = shapes_of(model, {input_name: shape}, path).get(model.graph.output[0].name, (0, None))
    except BadInputError:
        return None
    return found[0] if found else None

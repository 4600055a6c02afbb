"""What every rewrite ends with: stale shapes forgotten, the graph checked, the sizes behind the change compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from pathlib import Path

import onnx

from seatrial.errors import BadInputError
from seatrial.exporters.contract import CONTRACT_KEY, InputContract, embed
from seatrial.exporters.graphs import attribute_of, graphs_below, names_used_by
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.shapes import Shapes, shapes_of
from seatrial.exporters.signature import spell_shape

Shape = tuple[int, ...]


def copied(model: DeployableModel) -> onnx.ModelProto:
    """A copy of the model's graph, to be changed."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return proto


def sizes_in(model: DeployableModel) -> Shapes:
    """Value -> (element type, shape) for one image of the contract, or for the batch that the file is frozen at."""
    return _shapes(model.proto, model)


def finished(
    model: DeployableModel, proto: onnx.ModelProto, changed: Collection[str], contract: InputContract | None = None
) -> DeployableModel | str:
    """`model` with the graph `proto`; or why what stands behind the change cannot take its new sizes.

    changed: names of the values that the rewritten nodes give. contract: the new one, None for the model's own. A
    contract in the file's metadata is kept up to date; all other metadata stays. Raises BadInputError where the
    result is not a valid graph.
    """
    _forget_shapes(proto.graph, changed)
    if any(entry.key == CONTRACT_KEY for entry in proto.metadata_props):
        embed(proto, contract or model.contract, model.class_names or ())
    result = dataclasses.replace(model, proto=proto, contract=contract or model.contract)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # the checker raises ValidationError, ValueError or RuntimeError, by version and fault
        raise BadInputError(f"{model.name} is not a valid graph once it is rewritten: {error}") from error
    return _misfit(sizes_in(model), sizes_in(result), proto.graph) or result


def known(shapes: Shapes, name: str) -> Shape | None:
    """The shape of a value, None unless every extent is known."""
    _, shape = shapes.get(name, (0, None))
    return None if shape is None or None in shape else tuple(extent for extent in shape if extent is not None)


def drop_attributes(node: onnx.NodeProto, names: Collection[str]) -> None:
    """Removes the attributes of these names, in place."""
    kept = [attribute for attribute in node.attribute if attribute.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def set_attributes(node: onnx.NodeProto, **values: object) -> None:
    """Sets attributes, in place, whatever they were."""
    drop_attributes(node, values.keys())
    node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in values.items())


def _shapes(proto: onnx.ModelProto, model: DeployableModel) -> Shapes:
    one_image = (model.fixed_batch or 1, *model.contract.tensor_shape)
    source = next(value for value in proto.graph.input if value.name == model.input_name)
    found = shapes_of(proto, {model.input_name: one_image}, Path(model.name))
    return {**found, model.input_name: (source.type.tensor_type.elem_type, one_image)}


def _forget_shapes(graph: onnx.GraphProto, changed: Collection[str]) -> None:
    """Takes away, in place, the descriptions of `changed` and of all that is computed from it."""
    behind = set(changed)
    for node in graph.node:
        if behind & names_used_by(node):
            behind.update(node.output)
            for inner in graphs_below([node]):
                del inner.value_info[:]
    kept = [value for value in graph.value_info if value.name not in behind]
    del graph.value_info[:]
    graph.value_info.extend(kept)


def _misfit(before: Shapes, after: Shapes, graph: onnx.GraphProto) -> str | None:
    """The first node that cannot take what it is given since the rewrite; None where all can.

    Inference leaves the outputs of such a node unknown, except where a target shape is written into a Reshape.
    """
    for node in graph.node:
        lost = any(known(before, name) is not None and known(after, name) is None for name in node.output)
        if lost or not _fits(node, after):
            return (
                f"{node.op_type} {node.name or node.output[0]!r} cannot take the new sizes{_grown(node, before, after)}"
            )
    for value in graph.output:
        was, becomes = known(before, value.name), known(after, value.name)
        if was is not None and was != becomes:
            return f"the output would have the shape {spell_shape(becomes)}, not {spell_shape(was)}"
    return None


def _fits(node: onnx.NodeProto, shapes: Shapes) -> bool:
    given = [known(shapes, name) for name in (*node.input[:2], *node.output[:1])]
    if node.op_type == "Reshape" and given[0] is not None and given[-1] is not None:
        return math.prod(given[0]) == math.prod(given[-1])
    if node.op_type == "Gemm" and given[0] is not None and given[1] is not None:
        first, second = (attribute_of(node, name) for name in ("transA", "transB"))
        columns = given[0][0 if first is not None and first.i else 1]
        return columns == given[1][1 if second is not None and second.i else 0]
    return True


def _grown(node: onnx.NodeProto, before: Shapes, after: Shapes) -> str:
    changes = [f"{spell_shape(was)} has become {spell_shape(becomes)}" for was, becomes in _inputs(node, before, after)]
    return f": {', '.join(changes)}" if changes else ""


def _inputs(node: onnx.NodeProto, before: Shapes, after: Shapes) -> Iterator[tuple[Shape, Shape]]:
    for name in node.input:
        was, becomes = known(before, name), known(after, name)
        if was is not None and becomes is not None and was != becomes:
            yield was, becomes

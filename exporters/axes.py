"""A graph's border without the axes that a classifier has: they are put there, fixed at 1, so that all others see them.

What the graph computes stays: a Squeeze behind the input takes the axis off again, an Unsqueeze gives it to the output.
Flat images get their rows: a Flatten behind the input takes them off again.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper, numpy_helper

from seatrial.exporters.graphs import attribute_of, constants_of, graphs_below, names_used_by, opset_of
from seatrial.exporters.shapes import dimensions

# From here on, the axes of Squeeze and Unsqueeze are an input.
_AXES_AS_INPUT = 13
# The first IR version in which a constant need not be an input, too.
_CONSTANTS_ALONE = 4
# [N, H, W] with less is no stack of gray images.
_SMALLEST_IMAGE = 5
_ADDED = "Here, and in files that are written, it has one, of 1."

Shape = tuple[int | None, ...]


def complete_input(model: onnx.ModelProto, size: tuple[int, int] | None) -> tuple[str, ...]:
    """Gives an image input, in place, the batch axis, channel axis or rows that it lacks; what was done, in sentences.

    [3, H, W] and [H, W, 3], likewise with one channel, become [1, ...]: the graph takes one image at a time. [N, H, W],
    gray images without a channel axis, becomes [N, 1, H, W], and so do flat ones, [N, H * W]. Inputs of other shapes
    stay as they are.

    size: (height, width) in pixels of a flat input, as the contract says; None where nothing says it: a square then.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    sources = [value for value in model.graph.input if value.name not in weights]
    shape = dimensions(sources[0]) if len(sources) == 1 else None
    if shape is None:
        return ()
    (source,) = sources
    if len(shape) == 2:
        height, width = size or (math.isqrt(shape[1] or 0),) * 2
        if min(height, width) < _SMALLEST_IMAGE or height * width != shape[1]:
            return ()
        _unflatten(model, source, height, width)
        return (
            f"The input {source.name!r} is flat. Here, and in files that are written, it is [N, 1, {height}, {width}], "
            "with a Flatten behind it.",
        )
    if len(shape) != 3:
        return ()
    if {shape[0], shape[2]} & {1, 3}:
        _insert_axis(model, source, 0)
        return (f"The input {source.name!r} has no batch axis. {_ADDED}",)
    if min(extent or 0 for extent in shape[1:]) >= _SMALLEST_IMAGE:
        _insert_axis(model, source, 1)
        return (f"The input {source.name!r} has no channel axis. {_ADDED}",)
    return ()


def takes_one_image(graph: onnx.GraphProto, source: str) -> bool:
    """True for a graph that takes the batch axis off its input at once, so that it can be of 1 alone."""
    return any(node.op_type == "Squeeze" and _axes(graph, node) == [0] for node in graph.node if source in node.input)


def complete_output(model: onnx.ModelProto, shape: Shape | None) -> tuple[Shape | None, str | None]:
    """Gives the output of a graph that takes one image at a time, in place, the batch axis that it lacks.

    shape: of the output; [] and [classes] lack the axis, and so does [classes, 1, 1]. Returns the shape then, and what
    was done, None where nothing was.
    """
    if shape is None or not _lacks_batch(shape):
        return shape, None
    output = model.graph.output[0]
    inner = _free_name(model.graph, f"{output.name}_without_batch")
    _rename_reads(model.graph, output.name, inner)
    for node in model.graph.node:
        node.output[:] = [inner if name == output.name else name for name in node.output]
    added = [0] if shape else [0, 1]
    model.graph.node.append(_reshaping(model, "Unsqueeze", inner, output.name, added))
    whole = (*(1 for _ in added), *shape)
    output.type.tensor_type.ClearField("shape")
    for extent in whole:
        if extent is None:
            output.type.tensor_type.shape.dim.add()
        else:
            output.type.tensor_type.shape.dim.add(dim_value=extent)
    return whole, f"The output {output.name!r} has no batch axis. {_ADDED}"


def _lacks_batch(shape: Shape) -> bool:
    if len(shape) == 1:
        return shape[0] not in (None, 1)
    return shape == () or (len(shape) == 3 and shape[0] not in (None, 1) and shape[1:] == (1, 1))


def _insert_axis(model: onnx.ModelProto, source: onnx.ValueInfoProto, axis: int) -> None:
    graph = model.graph
    dims = source.type.tensor_type.shape.dim
    kept = [onnx.TensorShapeProto.Dimension() for _ in dims]
    for copy, dim in zip(kept, dims, strict=True):
        copy.CopyFrom(dim)
    del dims[:]
    dims.extend(kept[:axis])
    dims.add(dim_value=1)
    dims.extend(kept[axis:])
    readers = [node for node in graph.node if source.name in names_used_by(node)]
    if all(_unsqueezes(graph, node, axis) for node in readers):  # the graph puts the axis there itself
        for node in readers:
            _rename_reads(graph, node.output[0], source.name)
            graph.node.remove(node)
        return
    inner = _free_name(graph, f"{source.name}_without_axis")
    _rename_reads(graph, source.name, inner)
    _put_first(graph, _reshaping(model, "Squeeze", source.name, inner, [axis]))


def _unflatten(model: onnx.ModelProto, source: onnx.ValueInfoProto, height: int, width: int) -> None:
    dims = source.type.tensor_type.shape.dim
    del dims[1:]
    for extent in (1, height, width):
        dims.add(dim_value=extent)
    inner = _free_name(model.graph, f"{source.name}_flat")
    _rename_reads(model.graph, source.name, inner)
    _put_first(model.graph, helper.make_node("Flatten", [source.name], [inner], name=inner))


def _put_first(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    nodes = [node, *graph.node]
    copies = [onnx.NodeProto() for _ in nodes]
    for copied, node in zip(copies, nodes, strict=True):
        copied.CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)


def _unsqueezes(graph: onnx.GraphProto, node: onnx.NodeProto, axis: int) -> bool:
    shown = node.output[0] in {value.name for value in graph.output}
    return node.op_type == "Unsqueeze" and not shown and _axes(graph, node) == [axis]


def _axes(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[int] | None:
    """The constant axes of a Squeeze or Unsqueeze."""
    attribute = attribute_of(node, "axes")
    if attribute is not None:
        return list(attribute.ints)
    axes = constants_of(graph).get(node.input[1]) if len(node.input) > 1 else None
    return None if axes is None else [int(axis) for axis in numpy_helper.to_array(axes).reshape(-1)]


def _rename_reads(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for each in (node, *(inside for below in graphs_below([node]) for inside in below.node)):
            each.input[:] = [new if name == old else name for name in each.input]


def _free_name(graph: onnx.GraphProto, name: str) -> str:
    taken = {value for node in graph.node for value in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in graph.initializer}
    while name in taken:
        name += "_"
    return name


def _reshaping(model: onnx.ModelProto, kind: str, source: str, result: str, axes: list[int]) -> onnx.NodeProto:
    if opset_of(model) < _AXES_AS_INPUT:
        return helper.make_node(kind, [source], [result], name=result, axes=axes)
    constant = _free_name(model.graph, f"{result}_axes")
    model.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), constant))
    model.ir_version = max(model.ir_version, _CONSTANTS_ALONE)
    return helper.make_node(kind, [source, constant], [result], name=result)

"""Sums inside operators: a mean of small values is small, and its sum may lie beyond float16's range all the same.

What an engine adds up, in which order and in which type, is its own affair, so the bound is the sum of magnitudes: no
partial sum exceeds it. Where a normalisation takes a variance, it is the sum of squares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from seatrial.exporters.graphs import attribute_of


class _Builder:
    """Writes nodes of one bound; names begin with that of the node that it is a bound for."""

    def __init__(self, graph: onnx.GraphProto, prefix: str) -> None:
        self.graph, self.prefix, self.made = graph, prefix, 0

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = self._name()
        self.graph.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def numbers(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _constant(self, value: Any) -> str:
        name = self._name()
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _name(self) -> str:
        self.made += 1
        return f"{self.prefix}/sum{self.made}"


# Writes the magnitudes of one node's sums into the graph, as a tensor of any shape.
_Bound = Callable[[_Builder, onnx.NodeProto], str]


def _reduced(powered: Callable[[_Builder, str], str]) -> _Bound:
    def bound(build: _Builder, node: onnx.NodeProto) -> str:
        axes = attribute_of(node, "axes")
        listed = build.numbers(*axes.ints) if axes is not None else (node.input[1] if len(node.input) > 1 else "")
        noop = attribute_of(node, "noop_with_empty_axes")
        value = powered(build, node.input[0])
        return build.op("ReduceSum", value, listed, noop_with_empty_axes=0 if noop is None else noop.i)

    return bound


def _magnitude(build: _Builder, value: str) -> str:
    return build.op("Abs", value)


def _square(build: _Builder, value: str) -> str:
    return build.op("Mul", value, value)


def _exponential(build: _Builder, value: str) -> str:
    return build.op("Exp", value)


def _over_space(powered: Callable[[_Builder, str], str], groups: str | None = None) -> _Bound:
    """Sums over all that lies behind the channels, or behind as many groups of them as an attribute says."""

    def bound(build: _Builder, node: onnx.NodeProto) -> str:
        parts = attribute_of(node, groups) if groups else None
        flat = build.op("Reshape", node.input[0], build.numbers(0, 0 if parts is None else parts.i, -1))
        return build.op("ReduceSum", powered(build, flat), build.numbers(2))

    return bound


def _over_last(build: _Builder, node: onnx.NodeProto) -> str:
    axis = attribute_of(node, "axis")
    flat = build.op("Flatten", node.input[0], axis=-1 if axis is None else axis.i)
    return build.op("ReduceSum", _square(build, flat), build.numbers(1))


def _over_axes(build: _Builder, node: onnx.NodeProto) -> str:
    axes = attribute_of(node, "axes")
    listed = build.numbers(*([0, 2, 3] if axes is None else axes.ints))
    return build.op("ReduceSum", _square(build, node.input[0]), listed)


def _over_window(build: _Builder, node: onnx.NodeProto) -> str:
    kernel = attribute_of(node, "kernel_shape")
    output = build.op("AveragePool", build.op("Abs", node.input[0]))
    build.graph.node[-1].attribute.extend(node.attribute)
    return build.op("Mul", output, build.number(float(np.prod([] if kernel is None else kernel.ints))))


def _over_neighbours(build: _Builder, node: onnx.NodeProto) -> str:
    size = attribute_of(node, "size")
    return build.op("Mul", _square(build, node.input[0]), build.number(1 if size is None else size.i))


def _of_norm(build: _Builder, node: onnx.NodeProto) -> str:
    """What the root is taken of in a pooling by p-norm."""
    p = attribute_of(node, "p")
    return build.op("Pow", node.output[0], build.number(2 if p is None else p.i))


def _along_axis(build: _Builder, node: onnx.NodeProto) -> str:
    axis, p = attribute_of(node, "axis"), attribute_of(node, "p")
    value = (_magnitude if p is not None and p.i == 1 else _square)(build, node.input[0])
    return build.op("ReduceSum", value, build.numbers(-1 if axis is None else axis.i))


def _of_exponentials(build: _Builder, node: onnx.NodeProto) -> str:
    """Of exp(x - max x): 1 over the largest share, which is at most 1 over the sum of their squares."""
    axis = attribute_of(node, "axis")
    shares = node.output[0] if node.op_type == "Softmax" else build.op("Exp", node.output[0])
    squares = build.op("ReduceSum", _square(build, shares), build.numbers(-1 if axis is None else axis.i))
    return build.op("Reciprocal", squares)


def _of_operands(build: _Builder, node: onnx.NodeProto) -> str:
    return build.op("Sum", *(build.op("Abs", name) for name in node.input if name))


_BOUNDS: dict[str, _Bound] = {
    **dict.fromkeys(("ReduceL1", "ReduceLogSum", "ReduceMean", "ReduceSum"), _reduced(_magnitude)),
    **dict.fromkeys(("ReduceL2", "ReduceSumSquare"), _reduced(_square)),
    "ReduceLogSumExp": _reduced(_exponential),
    "GlobalAveragePool": _over_space(_magnitude),
    "AveragePool": _over_window,
    "InstanceNormalization": _over_space(_square),
    "GroupNormalization": _over_space(_square, "num_groups"),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _over_last),
    "MeanVarianceNormalization": _over_axes,
    "LpNormalization": _along_axis,
    **dict.fromkeys(("GlobalLpPool", "LpPool"), _of_norm),
    "LRN": _over_neighbours,
    **dict.fromkeys(("Softmax", "LogSoftmax"), _of_exponentials),
    **dict.fromkeys(("Sum", "Mean"), _of_operands),
}


def add_sums(graph: onnx.GraphProto, sums_floats: Callable[[onnx.NodeProto], bool]) -> dict[str, str]:
    """Adds, in place, what bounds the sums inside each operator that has such; node's name -> a tensor of theirs.

    graph: at opset 13 or above, every node with a name. sums_floats: the nodes that are asked about.
    """
    asked = list(_asked(graph, sums_floats))
    return {node.name: _BOUNDS[node.op_type](_Builder(graph, node.name), node) for node in asked}


def _asked(graph: onnx.GraphProto, sums_floats: Callable[[onnx.NodeProto], bool]) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        if node.op_type in _BOUNDS and node.domain in ("", "ai.onnx") and sums_floats(node):
            yield node

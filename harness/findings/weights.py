"""Weights that stand out of their layer: what a file shows without being run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seatrial.exporters.graphs import attribute_of, constants_of
from seatrial.harness.diff.points import node_name

# A channel's largest weight against the median of its layer. Depthwise layers reach 100 by themselves, as their
# channels differ widely: so what counts, too, is how far it lies out in a logarithmic scale, in robust standard
# deviations (1.4826 times the median distance from the median; at least 0.1, as channels of a layer may be all alike).
OUTLYING = 12.0
DEVIATIONS = 6.0
_KEPT = 5
_LEAST_CHANNELS = 4

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Channel:
    """An output channel. node: as `--keep-float` knows it. weight: the name of the tensor. axis: of its channels.
    ratio: its largest weight over the median channel's; deviations: the same in robust standard deviations.
    """

    node: str
    weight: str
    axis: int
    channel: int
    ratio: float
    deviations: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"node": self.node, "channel": self.channel, "ratio": self.ratio, "deviations": self.deviations}


@dataclasses.dataclass(frozen=True)
class Weights:
    """What stands out. outlying: channels, the farthest first. dead: nodes whose weights are all zero."""

    outlying: tuple[Channel, ...]
    dead: tuple[str, ...]


def scan(model: onnx.ModelProto) -> Weights:
    """The weights of convolutions and matrix products of a float model."""
    constants = constants_of(model.graph)
    outlying: list[Channel] = []
    dead = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in constants:
            continue
        weight = numpy_helper.to_array(constants[node.input[1]])
        if weight.ndim < 2 or weight.dtype.kind != "f":
            continue
        ranges = channel_ranges(weight, axis := channel_axis(node, weight))
        if not ranges.any():
            dead.append(node_name(node))
        outlying.extend(
            Channel(node_name(node), node.input[1], axis, channel, float(ratio), float(far))
            for channel, (ratio, far) in enumerate(zip(*standing_out(ranges), strict=True))
            if ratio > OUTLYING and far > DEVIATIONS
        )
    return Weights(tuple(sorted(outlying, key=lambda one: -one.deviations)[:_KEPT]), tuple(dead))


def channel_axis(node: onnx.NodeProto, weight: Array) -> int:
    """Along which the output channels of a layer's weights lie."""
    if node.op_type == "Conv":
        return 0
    transposed = attribute_of(node, "transB") if node.op_type == "Gemm" else None
    return 0 if transposed is not None and transposed.i else weight.ndim - 1


def channel_ranges(weight: Array, axis: int) -> npt.NDArray[np.float64]:
    """The largest magnitude of each channel, float64 [channels]."""
    others = tuple(one for one in range(weight.ndim) if one != axis)
    found: npt.NDArray[np.float64] = np.abs(weight).max(axis=others).astype(np.float64)
    return found


def standing_out(ranges: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each channel: the ratio to the layer's median, and how many robust standard deviations that is; zeros for a
    layer of few channels, or of zeros.

    >>> ratio, far = standing_out(np.array([1.0, 1.0, 2.0, 1.0, 30.0]))
    >>> ratio.tolist(), far.round(1).tolist()
    ([1.0, 1.0, 2.0, 1.0, 30.0], [0.0, 0.0, 6.9, 0.0, 34.0])
    """
    middle = float(np.median(ranges))
    if middle <= 0 or len(ranges) < _LEAST_CHANNELS:
        return np.zeros(len(ranges)), np.zeros(len(ranges))
    ratio = ranges / middle
    logarithms = np.log(np.maximum(ratio, 1e-9))
    return ratio, logarithms / max(0.1, 1.4826 * float(np.median(np.abs(logarithms))))


def put_back(model: onnx.ModelProto, channel: Channel) -> onnx.ModelProto:
    """The model with that channel's weights at the size that is usual in its layer."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensor = constants_of(changed.graph)[channel.weight]
    weight = numpy_helper.to_array(tensor).copy()
    at: list[slice | int] = [slice(None)] * weight.ndim
    at[channel.axis] = channel.channel
    weight[tuple(at)] /= channel.ratio
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    return changed

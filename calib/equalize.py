"""Cross-layer equalisation: channels of a value between two layers are scaled so that both layers' weights use their
range alike, without changing what the network computes.

Nagel et al. 2019 (Data-Free Quantization, section 4.1): for a Relu between, f(s x) = s f(x) for s > 0, so W1, b1 of
output channel i divided by s and W2 of input channel i multiplied by it compute the same; s = sqrt(r1 / r2), r the
largest weight of the channel, gives both the range sqrt(r1 r2).

A Clip does not have this property. Nagel et al. put a Relu in the place of Relu6, which changes the function. Here a
pair is equalised through a Clip only where no channel reaches the bound on the calibration images, and only as far as
none will, with some room: so on these images, nothing changes. Otherwise the pair is left as it is. (To scale the other
channels alone does not help: those at the bound keep the ranges as large as they were.)
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.fold import node_input, own_constant, read_constant, readers_of
from seatrial.calib.images import CalibrationImages
from seatrial.calib.observe import run_on
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.model import DeployableModel

# Rounds over all pairs; chains settle within a few (Nagel et al. iterate until convergence).
_ROUNDS = 20
_SETTLED = 1e-3
# A channel may come as near to the bound of its Clip as this share of it.
_ROOM = 0.8

Vector = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two convolutions in a row. between: names of the values from the first's output to the second's input. ceiling:
    the bound of a Clip between them, inf for none.
    """

    first: str
    second: str
    between: tuple[str, ...]
    ceiling: float


def equalize(
    model: DeployableModel, proto: onnx.ModelProto, images: CalibrationImages
) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of a prepared float graph with its pairs equalised, the same function on these images; and the names of
    the first nodes of the pairs that are left as they were, for the Clip between them.
    """
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    pairs = find_pairs(graph)
    clipped = [pair for pair in pairs if np.isfinite(pair.ceiling)]
    peaks = _peaks(model, proto, [pair.between[-1] for pair in clipped], images) if clipped else {}
    left = [pair for pair in clipped if (peaks[pair.between[-1]] >= pair.ceiling).any()]
    pairs = [pair for pair in pairs if pair not in left]
    nodes = {node.name: node for node in graph.node}
    for _ in range(_ROUNDS):
        largest = 0.0
        for pair in pairs:
            factor = _factors(graph, nodes, pair, peaks)
            _scale(graph, nodes, pair, factor)
            if pair.between[-1] in peaks:
                peaks[pair.between[-1]] = peaks[pair.between[-1]] / factor
            largest = max(largest, float(np.abs(np.log(factor)).max()))
        if largest < _SETTLED:
            break
    return result, [pair.first for pair in left]


def find_pairs(graph: onnx.GraphProto) -> list[Pair]:
    """Convolutions of which one feeds the next alone, through nothing or a Relu or Clip from 0; in graph order."""
    readers = readers_of(graph)
    outputs = {value.name for value in graph.output}
    pairs = []
    for node in graph.node:
        if not _scalable(graph, node):
            continue
        between, ceiling = [node.output[0]], float("inf")
        user = _only_reader(between[-1], readers, outputs)
        if user is not None and user.op_type in ("Relu", "Clip"):
            ceiling = _ceiling(graph, user)
            between.append(user.output[0])
            user = _only_reader(between[-1], readers, outputs) if ceiling > 0 else None
        if user is None or not _scalable(graph, user) or user.input[0] != between[-1]:
            continue
        groups, weight = _groups(user), read_constant(graph, user.input[1])
        if groups == 1 or (weight is not None and weight.shape[:2] == (groups, 1)):
            pairs.append(Pair(node.name, user.name, tuple(between), ceiling))
    return pairs


def _factors(
    graph: onnx.GraphProto, nodes: Mapping[str, onnx.NodeProto], pair: Pair, peaks: Mapping[str, Vector]
) -> Vector:
    """float64 [channels], what each channel of the value between is divided by."""
    first, second = (read_constant(graph, nodes[name].input[1]) for name in (pair.first, pair.second))
    assert first is not None
    assert second is not None
    r1 = np.abs(first.astype(np.float64)).reshape(len(first), -1).max(axis=1)
    axis = 0 if _groups(nodes[pair.second]) > 1 else 1
    r2 = np.abs(np.moveaxis(second.astype(np.float64), axis, 0)).reshape(second.shape[axis], -1).max(axis=1)
    alive = (r1 > 0) & (r2 > 0)
    factor = np.where(alive, np.sqrt(np.where(alive, r1, 1) / np.where(alive, r2, 1)), 1.0)
    peak = peaks.get(pair.between[-1])
    if peak is None:
        return factor
    return np.maximum(factor, np.minimum(peak / (_ROOM * pair.ceiling), 1.0))


def _scale(graph: onnx.GraphProto, nodes: Mapping[str, onnx.NodeProto], pair: Pair, factor: Vector) -> None:
    first, second = nodes[pair.first], nodes[pair.second]
    weight, after = read_constant(graph, first.input[1]), read_constant(graph, second.input[1])
    assert weight is not None
    assert after is not None
    own_constant(graph, first, 1, _times(weight, 1 / factor, 0), "equalized")
    if node_input(first, 2):
        bias = read_constant(graph, first.input[2])
        assert bias is not None
        own_constant(graph, first, 2, _times(bias, 1 / factor, 0), "equalized_bias")
    own_constant(graph, second, 1, _times(after, factor, 0 if _groups(second) > 1 else 1), "equalized")


def _times(value: npt.NDArray[Any], factor: Vector, axis: int) -> npt.NDArray[Any]:
    shape = [-1 if index == axis else 1 for index in range(value.ndim)]
    result: npt.NDArray[Any] = (value.astype(np.float64) * factor.reshape(shape)).astype(value.dtype)
    return result


def _scalable(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    """True for a convolution with constant weight and bias."""
    if node.op_type != "Conv" or read_constant(graph, node.input[1]) is None:
        return False
    return not node_input(node, 2) or read_constant(graph, node.input[2]) is not None


def _only_reader(name: str, readers: Mapping[str, list[onnx.NodeProto]], outputs: set[str]) -> onnx.NodeProto | None:
    users = readers.get(name, [])
    return users[0] if len(users) == 1 and name not in outputs and list(users[0].input).count(name) == 1 else None


def _ceiling(graph: onnx.GraphProto, node: onnx.NodeProto) -> float:
    """The upper bound of a Relu or a Clip from 0; 0 for any other Clip."""
    if node.op_type == "Relu":
        return float("inf")
    bounds = [read_constant(graph, node_input(node, position)) for position in (1, 2)]
    if bounds[0] is None or float(bounds[0].reshape(-1)[0]) != 0:
        return 0.0
    if not node_input(node, 2):
        return float("inf")
    return 0.0 if bounds[1] is None else float(bounds[1].reshape(-1)[0])


def _groups(node: onnx.NodeProto) -> int:
    groups = attribute_of(node, "group")
    return 1 if groups is None else groups.i


def _peaks(
    model: DeployableModel, proto: onnx.ModelProto, names: list[str], images: CalibrationImages
) -> dict[str, Vector]:
    """Value -> float64 [channels], its largest on the images."""
    found: dict[str, Vector] = {}
    lock = threading.Lock()

    def use(name: str, value: npt.NDArray[Any]) -> None:
        peak = value.max(axis=(0, *range(2, value.ndim))).astype(np.float64)
        with lock:
            found[name] = np.maximum(found[name], peak) if name in found else peak

    run_on(model, proto, names, images, use)
    return found

"""How much each layer costs: quantized alone, all others float, what is left of the signal at the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.images import CalibrationImages
from seatrial.calib.observe import session_for, showing, tensors
from seatrial.calib.points import MOVING, Places
from seatrial.calib.qdq import insert
from seatrial.calib.recipes import Recipe
from seatrial.calib.scales import Affine
from seatrial.exporters.contract import Tensor
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.outputs import trailing_probabilities

# Images that decide; on more, the order of the layers of the models tried stayed the same.
_IMAGES = 32
_BATCH = 8

Scores = npt.NDArray[np.float64]


def signal_to_noise(signal: npt.NDArray[Any], changed: npt.NDArray[Any]) -> float:
    """10 log10(sum signal^2 / sum (signal - changed)^2), in decibels; inf where they are equal."""
    exact = signal.astype(np.float64)
    noise = float(((exact - changed) ** 2).sum())
    power = float((exact**2).sum())
    return float("inf") if noise == 0 else 10 * float(np.log10(max(power, np.finfo(np.float64).tiny) / noise))


def layer_sensitivity(
    model: DeployableModel,
    proto: onnx.ModelProto,
    recipe: Recipe,
    places: Places,
    grids: Mapping[str, Affine],
    images: CalibrationImages,
) -> list[tuple[str, float]]:
    """(node, decibels) of every node that `places` quantizes, the worst first.

    proto: the prepared float graph. Decibels: signal to noise at the scores, before a Softmax at the end, over the
    first 32 calibration images, with that node alone quantized as the recipe does: its operands, weight and result.
    """
    output = score_name(proto.graph)
    batches = list(tensors(model, images, _BATCH, _IMAGES))
    float_scores = _scores(model, proto, output, batches)
    found = []
    rounding = places.reads.keys() | places.writes.keys()
    for name in (node.name for node in proto.graph.node if node.name in rounding and node.op_type not in MOVING):
        changed = _scores(model, insert(proto, recipe, places.alone(name), grids), output, batches)
        found.append((name, signal_to_noise(float_scores, changed)))
    return sorted(found, key=lambda one: one[1])


def score_name(graph: onnx.GraphProto) -> str:
    """The value that holds the scores: the output, or what a Softmax at the end makes probabilities of."""
    softmax = trailing_probabilities(graph)
    return softmax[-1].input[0] if softmax else graph.output[0].name


def _scores(
    model: DeployableModel,
    proto: onnx.ModelProto,
    output: str,
    batches: list[tuple[Tensor, int]],
) -> Scores:
    session = session_for(showing(proto, [output]))
    parts = [session.run([output], {model.input_name: tensor})[0][:real] for tensor, real in batches]
    return np.concatenate(parts).astype(np.float64)

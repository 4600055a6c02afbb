"""Graphs at opset 21, whose Q/DQ knows 4-bit types, scales per block and float8; checked to compute the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnx.version_converter

from seatrial.calib.observe import session_for
from seatrial.calib.opset import at_qdq_opset
from seatrial.errors import BuildError
from seatrial.exporters.contract import Tensor
from seatrial.exporters.graphs import opset_of
from seatrial.exporters.model import DeployableModel

BLOCKED_OPSET = 21
_IR_VERSION = 10  # that of opset 21; 4-bit tensors came with it
_TOLERANCE = 1e-4


def at_blocked_opset(model: DeployableModel, batch: Tensor) -> onnx.ModelProto:
    """The model's graph at opset 21 or above, with images as its only input.

    batch: one input tensor, on which the converted graph must give the same scores as the original, to 1e-4 of their
    largest. Raises BuildError where it does not, or cannot be converted.
    """
    source = at_qdq_opset(model, batch)
    opset = opset_of(source)
    source.ir_version = max(source.ir_version, _IR_VERSION)
    if opset >= BLOCKED_OPSET:
        return source
    try:
        converted = onnx.version_converter.convert_version(source, BLOCKED_OPSET)
        converted.ir_version = max(converted.ir_version, _IR_VERSION)
        onnx.checker.check_model(converted)
        before, after = (_scores(model, graph, batch) for graph in (source, converted))
    except Exception as error:  # the converter, the checker and ONNX Runtime raise whatever they meet
        raise BuildError(
            f"{model.name} is written in opset {opset}, this precision needs {BLOCKED_OPSET}; converting it failed: "
            f"{error}. Export it again with opset {BLOCKED_OPSET} or above."
        ) from error
    difference = float(np.abs(before - after).max()) if before.shape == after.shape else float("inf")
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(before).max())):
        raise BuildError(
            f"{model.name} is written in opset {opset}; converted to {BLOCKED_OPSET} for this precision, it computes "
            f"something else (scores differ by {difference:.2g}). Export it again with opset {BLOCKED_OPSET} or above."
        )
    return converted


def _scores(model: DeployableModel, proto: onnx.ModelProto, batch: Tensor) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float32] = session_for(proto).run([model.output_name], {model.input_name: batch})[0]
    return found.astype(np.float64)

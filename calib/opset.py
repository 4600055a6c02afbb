"""Graphs of old opsets, rewritten for per-channel Q/DQ, which opset 13 brought; and checked to compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.version_converter

from seatrial.errors import BuildError
from seatrial.exporters.contract import Tensor
from seatrial.exporters.folding import fold_constants
from seatrial.exporters.graphs import feed_images_only, opset_of
from seatrial.exporters.model import DeployableModel

QDQ_OPSET = 13
_IR_VERSION = 7  # that of opset 13; from 4 on, a constant need not be an input
_TOLERANCE = 1e-4


def at_qdq_opset(model: DeployableModel, batch: Tensor) -> onnx.ModelProto:
    """The model's graph at opset 13 or above, its own where it is there already, with images as its only input and what
    constants alone decide folded.

    batch: one input tensor, on which the converted graph must give the same scores as the original, to 1e-4 of their
    largest. Raises BuildError where it does not, or cannot be converted.
    """
    opset = opset_of(model.proto)
    source = onnx.load_model_from_string(model.onnx_bytes)
    source.ir_version = max(source.ir_version, _IR_VERSION)
    feed_images_only(source.graph)
    if opset >= QDQ_OPSET:
        return fold_constants(source)
    try:
        converted = onnx.version_converter.convert_version(source, QDQ_OPSET)
        onnx.checker.check_model(converted)
        before, after = _scores(model, model.proto, batch), _scores(model, converted, batch)
    except Exception as error:  # the converter, the checker and ONNX Runtime raise whatever they meet
        raise BuildError(
            f"{model.name} is written in opset {opset}, quantizing needs {QDQ_OPSET}, and converting it failed: "
            f"{error}. "
            f"Export it again with opset {QDQ_OPSET} or above."
        ) from error
    difference = float(np.abs(before - after).max()) if before.shape == after.shape else float("inf")
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(before).max())):
        raise BuildError(
            f"{model.name} is written in opset {opset}; converted to {QDQ_OPSET} for quantizing, it computes "
            "something else "
            f"(scores differ by {difference:.2g}). Export it again with opset {QDQ_OPSET} or above."
        )
    return fold_constants(converted)


def _scores(model: DeployableModel, proto: onnx.ModelProto, batch: Tensor) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run([model.output_name], {model.input_name: batch})[0].astype(np.float64)

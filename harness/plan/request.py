"""From a deployable model to what an engine is built from."""

from __future__ import annotations

from typing import Any

from seatrial.engines.base import BuildRequest
from seatrial.exporters import DeployableModel


def build_request(model: DeployableModel, **settings: Any) -> BuildRequest:
    """The model's part of a BuildRequest, and `settings`: precision, device, threads, optimization."""
    return BuildRequest(
        onnx_bytes=model.onnx_bytes,
        input_name=model.input_name,
        output_name=model.output_name,
        input_shape=model.contract.tensor_shape,
        input_dtype=model.contract.dtype,
        classes=model.classes,
        fixed_batch=model.fixed_batch,
        binary=model.scores if model.binary else None,
        **settings,
    )

"""Static INT8: ranges from real images, Q/DQ nodes in the form of a recipe, by ONNX Runtime's quantizer."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from calib.images import CalibrationImages
from calib.recipes import Recipe
from exporters.contract import Tensor, embed
from exporters.model import DeployableModel
from shipcheck.errors import BadInputError, BuildError, UnsupportedError
from shipcheck.files import disk_errors

RANGE_METHOD = "minmax"
_BATCH = 16


def quantize_static(model: DeployableModel, recipe: Recipe, images: CalibrationImages) -> DeployableModel:
    """The float model with Q/DQ nodes whose ranges are the minima and maxima seen on `images`.

    Raises BadInputError for a model that is quantized already or an empty calibration set, BuildError where the
    quantizer fails, UnsupportedError where it is not installed.
    """
    check_quantizable(model, images)
    quantization = _onnxruntime_quantization()
    batch = model.fixed_batch or _BATCH
    temporary = Path(tempfile.gettempdir())
    with disk_errors(temporary), tempfile.TemporaryDirectory(prefix="shipcheck-") as folder, _quiet_logging():
        out = Path(folder) / "quantized.onnx"
        try:
            quantization.quantize_static(
                onnx.load_model_from_string(model.onnx_bytes),
                str(out),
                _reader(quantization, model, images.batches(batch)),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=_type(quantization, recipe.activation_type),
                weight_type=_type(quantization, recipe.weight_type),
                per_channel=recipe.per_channel,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": recipe.symmetric_activations,
                    "WeightSymmetric": recipe.symmetric_weights,
                    "QuantizeBias": recipe.quantize_bias,
                },
            )
        except OSError:
            raise  # a full disk or a missing folder is not the model's fault
        except Exception as error:  # the quantizer raises whatever it meets
            raise BuildError(f"Quantizing {model.name} in the recipe {recipe.name} failed: {error}") from error
        proto = onnx.load_model(out)
    embed(proto, model.contract, model.class_names or ())
    return dataclasses.replace(model, proto=proto)


def check_quantizable(model: DeployableModel, images: CalibrationImages) -> None:
    """BadInputError where there is nothing to calibrate on, or the model has Q/DQ nodes of its own."""
    if not len(images):
        raise BadInputError("The calibration set is empty.")
    if any(node.op_type == "QuantizeLinear" for node in model.proto.graph.node):
        raise BadInputError(
            f"{model.name} is quantized already (it holds QuantizeLinear nodes). Give the float model to --model."
        )


def _reader(quantization: Any, model: DeployableModel, batches: Iterator[npt.NDArray[np.uint8]]) -> Any:
    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # the base is imported lazily
        def get_next(self) -> dict[str, Tensor] | None:
            batch = next(batches, None)
            return None if batch is None else {model.input_name: model.contract.normalise(batch)}

    return Reader()


def _type(quantization: Any, name: str) -> Any:
    return {"uint8": quantization.QuantType.QUInt8, "int8": quantization.QuantType.QInt8}[name]


def _onnxruntime_quantization() -> Any:
    try:
        import onnxruntime.quantization as quantization
    except ImportError as error:
        raise UnsupportedError(
            f"Calibration needs ONNX Runtime ({error}). Install it: pip install 'shipcheck[cpu]'"
        ) from error
    return quantization


@contextlib.contextmanager
def _quiet_logging() -> Iterator[None]:
    # The quantizer warns on the root logger about a pre-processing step that changes nothing for these graphs.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

"""Static INT8 by ONNX Runtime's own quantizer, in the form of a recipe: the peer of `calib.integer`."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.images import CalibrationImages, whole_batches
from seatrial.calib.names import check_names
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.points import lacks_kernel
from seatrial.calib.quantizers import Request
from seatrial.engines.precision import is_quantized
from seatrial.errors import BadInputError, BuildError, UnsupportedError
from seatrial.exporters.contract import Tensor, embed
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.outputs import trailing_probabilities
from seatrial.exporters.own_precision import own_precision
from seatrial.packages import need
from seatrial.scratch import scratch

_BATCH = 16
# --ranges -> its CalibrationMethod.
_METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}


def quantize_static(request: Request) -> DeployableModel:
    """The float32 form of the model with the Q/DQ nodes that ONNX Runtime's `quantize_static` writes.

    Ranges: minmax, entropy or percentile, as its calibrators define them; the latter two keep the activations of all
    images in memory, and take them one by one. A graph frozen at a batch is calibrated on whole batches, the last one
    filled up with its last image, which changes no minimum and no maximum. A Softmax at the end stays float: 8 bits of
    probabilities would make all but the first few classes equal. Weights have 7 bits where they must be narrow. Raises
    BuildError where the quantizer fails, UnsupportedError for an option that it does not have, and where it is not
    installed.
    """
    model, recipe, images, options = request.model, request.recipe, request.images, request.options
    assert images is not None
    _check_options(options)
    quantization = _onnxruntime_quantization()
    batch = model.fixed_batch or (_BATCH if options.ranges == "minmax" else 1)
    first = model.contract.normalise(next(whole_batches(images, batch, fill=model.fixed_batch is not None)))
    source = at_qdq_opset(model, first)
    check_names(options.keep_float, source.graph, "--keep-float")
    without_kernel = [node for node in source.graph.node if lacks_kernel(node, recipe)]
    left_float = [*_named([*trailing_probabilities(source.graph), *without_kernel]), *options.keep_float]
    with scratch() as folder, _quiet():
        out = folder / "quantized.onnx"
        try:
            quantization.quantize_static(
                source,
                str(out),
                _reader(quantization, model, whole_batches(images, batch, fill=model.fixed_batch is not None)),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=_type(quantization, recipe.activation_type),
                weight_type=_type(quantization, recipe.weight_type),
                per_channel=recipe.per_channel,
                reduce_range=recipe.narrow,
                nodes_to_exclude=left_float,
                calibrate_method=getattr(quantization.CalibrationMethod, _METHODS[options.ranges]),
                extra_options={
                    "ActivationSymmetric": recipe.symmetric_activations,
                    "WeightSymmetric": recipe.symmetric_weights,
                    "QuantizeBias": recipe.quantize_bias,
                    **_range_options(options, recipe.symmetric_activations),
                },
            )
        except OSError:
            raise  # a full disk or a missing folder is not the model's fault
        except Exception as error:  # the quantizer raises whatever it meets
            raise BuildError(f"Quantizing {model.name} in the recipe {recipe.name} failed: {error}") from error
        proto = onnx.load_model(out)
    embed(proto, model.contract, model.class_names or ())
    return dataclasses.replace(model, proto=proto, precision=own_precision(proto, Path(model.name)))


def check_quantizable(model: DeployableModel, images: CalibrationImages | None) -> None:
    """BadInputError where there is nothing to calibrate on, or the model is quantized by itself; images: None where
    none are needed.
    """
    if images is not None and not len(images):
        raise BadInputError("The calibration set is empty.")
    if is_quantized(model.precision):
        raise BadInputError(
            f"{model.name} is quantized already (its Q/DQ nodes make it {model.precision}). Give the float model to "
            "--model, or begin with this one's float form: bench.py quantize --float-view."
        )


def _named(nodes: list[onnx.NodeProto]) -> list[str]:
    """Their names, made up from their outputs where they have none."""
    for node in nodes:
        node.name = node.name or f"{node.op_type}_{node.output[0]}"
    return [node.name for node in nodes]


def _reader(quantization: Any, model: DeployableModel, batches: Iterator[npt.NDArray[np.uint8]]) -> Any:
    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # the base is imported lazily
        def get_next(self) -> dict[str, Tensor] | None:
            batch = next(batches, None)
            return None if batch is None else {model.input_name: model.contract.normalise(batch)}

    return Reader()


def _type(quantization: Any, name: str | None) -> Any:
    return {"uint8": quantization.QuantType.QUInt8, "int8": quantization.QuantType.QInt8}[str(name)]


def _onnxruntime_quantization() -> Any:
    quantization: Any = need("onnxruntime.quantization", "Calibration", "pip install 'seatrial[cpu]'")
    return quantization


def _check_options(options: QuantizeOptions) -> None:
    has = ", ".join(_METHODS)
    for flag, asked in (
        (f"--ranges {options.ranges} (it has {has})", options.ranges not in _METHODS),
        ("--equalize", options.equalize),
        ("--bias-correction", options.bias_correction),
        ("--keep-float-below-db", options.keep_float_below_db is not None),
    ):
        if asked:
            raise UnsupportedError(f"ONNX Runtime's quantizer has no {flag}. seatrial's has: leave out --quantizer.")


def _range_options(options: QuantizeOptions, symmetric: bool) -> dict[str, object]:
    """What its calibrator is told besides the method; the percentile is of absolute values where symmetric."""
    if options.ranges != "percentile":
        return {}
    return {"CalibPercentile": options.percentile, "CalibTensorRangeSymmetric": symmetric}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # The quantizer warns on the root logger about a pre-processing step that changes nothing for these graphs, and its
    # calibrators print.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)

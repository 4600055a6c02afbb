"""NNCF, the quantizer of OpenVINO's makers: post-training quantization of the ONNX file, on our calibration batches.

It places Q/DQ for OpenVINO's kernels: before what multiplies, uint8 behind a Relu and symmetric int8 elsewhere, and it
corrects biases for the mean error of each layer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.images import CalibrationImages, whole_batches
from seatrial.calib.names import check_names
from seatrial.calib.observe import session_for
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.quantizers import Request
from seatrial.engines.openvino import without_telemetry
from seatrial.errors import BuildError, UnsupportedError
from seatrial.exporters.contract import Tensor, embed
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.outputs import trailing_probabilities
from seatrial.exporters.own_precision import own_precision
from seatrial.packages import need
from seatrial.scores import of_two_classes

INSTALL = "pip install 'seatrial[nncf]'"
# NNCF's own default for quantize_with_accuracy_control.
MAX_DROP = 0.01
# Options that have no counterpart -> their value when not given.
_FOREIGN = {"ranges": "minmax", "equalize": False, "bias_correction": False, "keep_float_below_db": None}


@dataclasses.dataclass(frozen=True)
class _Items:
    """The calibration images, one tensor after the other and from the start as often as NNCF likes.

    One image in each, unless the graph is frozen at a batch: NNCF's statistics over a batch are no more than
    approximate.
    """

    model: DeployableModel
    images: CalibrationImages

    @property
    def size(self) -> int:
        return self.model.fixed_batch or 1

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for batch in whole_batches(self.images, self.size, fill=True):
            yield {self.model.input_name: self.model.contract.normalise(batch)}


@dataclasses.dataclass(frozen=True)
class _Answers:
    """The same tensors, each with the top-1 that the float model gives for it: int64 [images]."""

    items: _Items
    top1: tuple[npt.NDArray[np.int64], ...]

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], npt.NDArray[np.int64]]]:
        yield from zip(self.items, self.top1, strict=True)


def quantize_nncf(request: Request) -> DeployableModel:
    """The float32 form of the model with NNCF's Q/DQ nodes.

    Its choices: which nodes, ranges, bias correction, and its preset for convolutional networks, symmetric activations:
    "mixed" makes int8 with a free zero point of signed values, which OpenVINO runs in float. Ours: the images, and
    `keep_float`. A Softmax at the end stays float. Raises UnsupportedError where it is not installed, an option has no
    counterpart or the recipe's engine does not take uint8, UsageError for unknown names, BuildError where it fails.
    """
    return _quantize(request, accuracy=False)


def quantize_nncf_accuracy(request: Request) -> DeployableModel:
    """As `quantize_nncf`; then layers go back to float, those first that hurt most, until the top-1 of at least 99 % of
    the calibration images is the float model's (or no layer is left). Labels are not looked at.
    """
    return _quantize(request, accuracy=True)


def _quantize(request: Request, *, accuracy: bool) -> DeployableModel:
    model, images, recipe = request.model, request.images, request.recipe
    assert images is not None
    _check(request)
    items = _Items(model, images)
    proto = at_qdq_opset(model, next(iter(items))[model.input_name])
    check_names(request.options.keep_float, proto.graph, "--keep-float")
    with _quiet():
        nncf = _import()
        left_float = [*request.options.keep_float, *_named(trailing_probabilities(proto.graph))]
        settings: dict[str, Any] = {
            "target_device": nncf.TargetDevice.CPU,
            "subset_size": len(images),
            # One parameter with two names.
            f"advanced_{'quantization_' if accuracy else ''}parameters": _advanced(narrow=recipe.narrow),
            "ignored_scope": nncf.IgnoredScope(names=left_float) if left_float else None,
        }
        try:
            if accuracy:
                validation = nncf.Dataset(_Answers(items, tuple(_top1(model, proto, items))), lambda item: item[0])
                quantized = nncf.quantize_with_accuracy_control(
                    proto, nncf.Dataset(items), validation, _agreement(model), max_drop=MAX_DROP, **settings
                )
            else:
                quantized = nncf.quantize(proto, nncf.Dataset(items), **settings)
            onnx.checker.check_model(quantized)
        except OSError:
            raise  # a full disk or a missing folder is not the model's fault
        except Exception as error:  # NNCF, ONNX Runtime and the checker raise whatever they meet
            raise BuildError(f"Quantizing {model.name} with NNCF failed: {error}") from error
    embed(quantized, model.contract, model.class_names or ())
    found = own_precision(quantized, Path(model.name))
    if found != recipe.precision:
        raise BuildError(f"NNCF left nothing in {model.name} at {recipe.precision}: it made {found}.")
    return dataclasses.replace(model, proto=quantized, precision=found)


def _check(request: Request) -> None:
    options, recipe = request.options, request.recipe
    for field, nothing in _FOREIGN.items():
        if getattr(options, field) != nothing:
            raise UnsupportedError(f"NNCF takes no {field.replace('_', ' ')}; take --quantizer seatrial.")
    if recipe.activation_type != "uint8":
        raise UnsupportedError(
            f"NNCF writes uint8 activations behind a Relu, the recipe {recipe.name} wants {recipe.activation_type} "
            "alone; take --quantizer seatrial."
        )


def _advanced(*, narrow: bool) -> Any:
    """Weights of 7 bits where they must be narrow, else NNCF's default, which is that for the first layer alone."""
    parameters = importlib.import_module("nncf.quantization.advanced_parameters")
    fix = parameters.OverflowFix.ENABLE if narrow else parameters.OverflowFix.FIRST_LAYER
    return parameters.AdvancedQuantizationParameters(overflow_fix=fix)


def _top1(model: DeployableModel, proto: onnx.ModelProto, items: Iterable[Any]) -> Iterator[npt.NDArray[np.int64]]:
    """int64 [images] of each item."""
    session = session_for(proto)
    for item in items:
        scores = session.run([model.output_name], item)[0]
        if model.binary:
            scores = of_two_classes(scores, model.scores)
        yield scores.reshape(len(scores), -1).argmax(axis=1)


def _agreement(model: DeployableModel) -> Any:
    """NNCF's validation function: the share of answers that are the float model's, over all and of each item."""

    def agreement(proto: onnx.ModelProto, pairs: Iterable[Any]) -> tuple[float, list[float]]:
        expected: list[npt.NDArray[np.int64]] = []

        def inputs() -> Iterator[Any]:
            for item, top1 in pairs:
                expected.append(top1)
                yield item

        shares = [float((found == expected[index]).mean()) for index, found in enumerate(_top1(model, proto, inputs()))]
        return float(np.mean(shares)), shares

    return agreement


def _named(nodes: list[onnx.NodeProto]) -> list[str]:
    for node in nodes:
        node.name = node.name or f"{node.op_type}_{node.output[0]}"
    return [node.name for node in nodes]


def _import() -> Any:
    with without_telemetry():
        return need("nncf", "Quantizer 'nncf'", INSTALL)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF draws progress bars and logs on the standard output, and replaces the class of all later loggers."""
    kind = logging.getLoggerClass()
    # Its logger is of its own class, and must not be made before it is imported.
    logger = logging.getLogger("nncf") if "nncf" in sys.modules else None
    before = None if logger is None else logger.disabled
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            if logger is not None:
                logger.disabled = True
            yield
    finally:
        if logger is not None:
            logger.disabled = bool(before)
        logging.setLoggerClass(kind)

"""float16 and bfloat16 files: every value of the graph typed so, for runtimes that execute the types which they read.

Strongly typed TensorRT networks (since TensorRT 11 there are no others) take precision from the file alone. The graph's
input and output stay float32, with one Cast at each border: every target of a run is fed the same tensor and answers in
the same type, the contract stays as it was (it has no bfloat16), and the Cast rounds as a float16 contract would have.
A uint8 input stays uint8.

What operators (`calib.typed`) or the range of a value do not allow stays float32; `calib.warn.kept_float_of` lists it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.version_converter
from onnx import helper, numpy_helper

from seatrial.calib.half_sums import add_sums
from seatrial.calib.images import CalibrationImages
from seatrial.calib.names import check_names
from seatrial.calib.observe import session_for, showing, tensors
from seatrial.calib.opset import QDQ_OPSET, at_qdq_opset
from seatrial.calib.quantizers import Request
from seatrial.calib.typed import FLOAT, FLOAT32_INPUTS, TYPES, element_types, lift_constants, name_of, typed
from seatrial.calib.warn import describe
from seatrial.errors import BuildError
from seatrial.exporters.contract import Tensor, embed
from seatrial.exporters.graphs import attribute_of, constants_of, opset_of
from seatrial.exporters.model import DeployableModel

_IR_VERSION = 10  # that of opset 22

LARGEST = 65504.0  # of IEEE 754 binary16
SMALLEST_NORMAL = 2.0**-14  # below it float16 loses a bit with every halving, and from 2**-25 on everything
HALF_STEP = 2.0**-11  # the largest relative error of rounding a normal number to its 11 significant bits
# Calibration sees a sample: values may grow to twice of what it showed before they overflow.
MARGIN = 2.0
_TOLERANCE = 1e-4
_BATCH = 8
_CALIBRATION = "the calibration images"


def cast_half(request: Request) -> DeployableModel:
    """The model in float16 (recipe precision "fp16") or bfloat16 ("bf16"), rounded to nearest even.

    Nodes in `options.keep_float`, and for float16 those of `float32_nodes`, stay float32. images: None for a few of
    noise, which show the coarse of it; an overflow that they do not show is seen when the engine runs, as infinite or
    NaN logits. bfloat16 has float32's range and 8 of its 24 significant bits. Raises UsageError for unknown names to
    keep float, and BuildError where the graph cannot be typed so.
    """
    model, precision = request.model, request.recipe.precision
    element, _, opset = TYPES[precision]
    source = at_opset(model, opset)
    lift_constants(source.graph)
    check_names(request.options.keep_float, source.graph, "--keep-float")
    kept = dict.fromkeys(request.options.keep_float, "asked for")
    if precision == "fp16":
        kept |= out_of_range(dataclasses.replace(model, proto=source), *images_or_noise(request))
    try:
        proto, stayed = typed(source, element, kept)
        embed(proto, model.contract, model.class_names or ())
        count = 0 if request.images is None else len(request.images)
        describe(proto, images=count, options=request.options, warnings=(), kept=stayed)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker and shape inference raise what they meet
        raise BuildError(f"{model.name} cannot be written in {precision}: {error}") from error
    return dataclasses.replace(model, proto=proto, precision=precision)


def float32_nodes(model: DeployableModel, images: CalibrationImages | None) -> dict[str, str]:
    """Name -> reason of every node that does not fit float16's range: its weights, or what it reads and writes.

    A node's name is that of its first output where it has none. Weights: a finite value above 65504, or a tensor that
    loses more than 2**-11 of its Euclidean norm, which only happens below 2**-14, the smallest normal number; channels
    that a folded normalisation has all but switched off lose nothing by that measure. Activations, and the sums inside
    means, norms and the like (`calib.half_sums`): above 65504 / 2 on `images`; None looks at weights alone. Bounds of
    Clip may be larger, and infinite values stay infinite.
    """
    source = onnx.ModelProto()
    source.CopyFrom(model.proto)
    lift_constants(source.graph)
    return out_of_range(dataclasses.replace(model, proto=source), images)


def images_or_noise(request: Request) -> tuple[CalibrationImages, str]:
    """What values are looked at on, and its name: the calibration images, or a few of noise where there are none."""
    if request.images is None:
        return _Noise(request.model.contract.size), "images of noise"
    return request.images, _CALIBRATION


def out_of_range(model: DeployableModel, images: CalibrationImages | None, seen: str = _CALIBRATION) -> dict[str, str]:
    """As `float32_nodes`, of a graph whose constants are initializers. seen: what the images are, in words."""
    types = element_types(model.proto)
    constants = {name: numpy_helper.to_array(value) for name, value in constants_of(model.proto.graph).items()}
    largest, sums = ({}, {}) if images is None else _largest(model, types, images)
    found: dict[str, str] = {}
    for node in model.proto.graph.node:
        for place, name in enumerate(node.input):
            if types.get(name) == FLOAT and name in constants and (node.op_type, place) not in FLOAT32_INPUTS:
                fault = _misfit(node, place, constants[name])
                if fault:
                    found.setdefault(name_of(node), f"{name}: {fault}")
        for name in (*node.input, *node.output):
            if largest.get(name, 0.0) > LARGEST / MARGIN:
                reason = f"{name}: reaches {largest[name]:.3g} on {seen}; float16 ends at {LARGEST:.0f}"
                found.setdefault(name_of(node), reason)
        if sums.get(name_of(node), 0.0) > LARGEST / MARGIN:
            reason = f"its sums reach {sums[name_of(node)]:.3g} on {seen}; float16 ends at {LARGEST:.0f}"
            found.setdefault(name_of(node), reason)
    return found


def _misfit(node: onnx.NodeProto, place: int, weight: npt.NDArray[Any]) -> str | None:
    exact = weight.astype(np.float64)
    exact = np.where(np.isfinite(exact), exact, 0.0)
    if exact.size and np.abs(exact).max() > LARGEST:
        return None if node.op_type == "Clip" else f"reaches {np.abs(exact).max():.3g}; float16 ends at {LARGEST:.0f}"
    error = np.abs(exact.astype(np.float16).astype(np.float64) - exact)
    if (node.op_type, place) == ("BatchNormalization", 4):  # a divisor of its own each, and never without epsilon
        epsilon = attribute_of(node, "epsilon")
        lost = float((error / (np.abs(exact) + (1e-5 if epsilon is None else epsilon.f))).max(initial=0.0))
    else:
        lost = float(np.linalg.norm(error) / max(float(np.linalg.norm(exact)), np.finfo(np.float64).tiny))
    if lost <= HALF_STEP:
        return None
    return f"loses {lost:.2g} of its size in float16, whose normal numbers begin at {SMALLEST_NORMAL:.2g}"


def _largest(
    model: DeployableModel, types: Mapping[str, int], images: CalibrationImages
) -> tuple[dict[str, float], dict[str, float]]:
    """Largest magnitude over all images: of every float32 value that a node computes, and of the sums inside nodes."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    names = [name for node in model.proto.graph.node for name in node.output if types.get(name) == FLOAT]
    sums = {}
    if opset_of(proto) >= QDQ_OPSET:
        sums = add_sums(proto.graph, lambda node: any(types.get(name) == FLOAT for name in node.input))
    values = [*names, *sums.values()]
    shown = []
    for name in values:  # reduced inside the graph: memory holds no activation longer than the graph needs it
        proto.graph.node.append(helper.make_node("Abs", [name], [f"{name}/abs"]))
        proto.graph.node.append(helper.make_node("ReduceMax", [f"{name}/abs"], [f"{name}/max"], keepdims=0))
        shown.append(f"{name}/max")
    reached = dict.fromkeys(values, 0.0)
    session = session_for(showing(proto, shown))
    for batch, _ in tensors(model, images, _BATCH):
        for name, value in zip(values, session.run(shown, {model.input_name: batch}), strict=True):
            reached[name] = max(reached[name], float(value))
    return {name: reached[name] for name in names}, {node: reached[name] for node, name in sums.items()}


class _Noise:
    """A few images of noise: what there is to look at where nobody gives any."""

    digest = "noise"

    def __init__(self, size: tuple[int, int]) -> None:
        self._images = np.random.default_rng(0).integers(0, 256, (_BATCH, *size, 3), np.uint8)

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, size: int) -> Iterator[npt.NDArray[np.uint8]]:
        """As of real ones."""
        for start in range(0, len(self._images), size):
            yield self._images[start : start + size]


def at_opset(model: DeployableModel, opset: int) -> onnx.ModelProto:
    """The model's graph at that opset or above; BuildError where converting it changes what it computes."""
    size = (model.fixed_batch or 1, *model.contract.size, 3)
    batch = model.contract.normalise(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    source = at_qdq_opset(model, batch)
    if opset_of(source) >= opset:
        return source
    source.ir_version = max(source.ir_version, _IR_VERSION)
    try:
        converted = onnx.version_converter.convert_version(source, opset)
    except Exception as error:  # the converter raises what it meets
        raise BuildError(
            f"{model.name} cannot be converted to opset {opset}: {error}. {_AGAIN.format(opset)}"
        ) from error
    before, after = (_scores(model, proto, batch) for proto in (source, converted))
    if before.shape != after.shape or not np.allclose(
        before, after, rtol=0, atol=_TOLERANCE * max(1, np.abs(before).max())
    ):
        raise BuildError(f"{model.name}, converted to opset {opset}, computes something else. {_AGAIN.format(opset)}")
    return converted


_AGAIN = "Export it again with opset {} or above."


def _scores(model: DeployableModel, proto: onnx.ModelProto, batch: Tensor) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float32] = session_for(proto).run([model.output_name], {model.input_name: batch})[0]
    return found.astype(np.float64)

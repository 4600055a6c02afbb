"""Static quantization to 8 bits, integer or float: ranges from real images, Q/DQ where the recipe wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

import onnx

from seatrial.calib.bias_correction import correct_biases
from seatrial.calib.blocked_opset import at_blocked_opset
from seatrial.calib.equalize import equalize
from seatrial.calib.fold import node_input, prepare, read_constant
from seatrial.calib.histogram import Histogram
from seatrial.calib.images import CalibrationImages
from seatrial.calib.names import check_names
from seatrial.calib.observe import histograms, tensors
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.points import Places, find_places
from seatrial.calib.qdq import insert
from seatrial.calib.quantizers import Request
from seatrial.calib.ranges import Target, find_range
from seatrial.calib.scales import Affine
from seatrial.calib.sensitivity import layer_sensitivity
from seatrial.calib.warn import describe, find_warnings
from seatrial.errors import BadInputError, BuildError
from seatrial.exporters.contract import embed
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.own_precision import own_precision

# A model whose products are all too small is quantized all the same: it was asked for.
_SLOW = (
    "No product of this model is large enough for the fast {precision} kernels of {engine}: all are quantized all the "
    "same, and may be slower than in fp16."
)


@dataclasses.dataclass
class _Calibration:
    """A prepared float graph, and what is known of its values."""

    request: Request
    images: CalibrationImages
    proto: onnx.ModelProto
    not_equalized: list[str]
    seen: dict[str, Histogram] = dataclasses.field(default_factory=dict)

    @property
    def model(self) -> DeployableModel:
        return self.request.model

    def places(self, keep_float: Collection[str]) -> Places:
        return find_places(self.proto.graph, self.request.recipe, keep_float)

    def grids(self, places: Places) -> dict[str, Affine]:
        """Scale and zero point of every value that `places` needs one for; looks at the images where it must."""
        needed = dict.fromkeys(one.range_of for one in places.activations)
        missing = [name for name in needed if name not in self.seen]
        if missing:
            self.seen.update(histograms(self.model, self.proto, missing, self.images))
        recipe, options = self.request.recipe, self.request.options
        target = Target(str(recipe.activation_type), recipe.symmetric_activations)
        return {name: target.affine(*find_range(self.seen[name], target, options)) for name in needed}


def quantize_integer(request: Request) -> DeployableModel:
    """The model with Q/DQ nodes for int8, uint8 or float8 (E4M3) as its recipe and options say.

    Its metadata lists what was odd (`calib.warn.warnings_of`) and what stays float. Raises UsageError for unknown names
    to keep float, BadInputError where a value is NaN or infinite on the images, BuildError where nothing can be
    quantized or the graph cannot run, UnsupportedError without ONNX Runtime.
    """
    calibration = _prepared(request)
    recipe, options, model = request.recipe, request.options, request.model
    keep = {**request.leave, **dict.fromkeys(options.keep_float, "asked for")}
    if options.keep_float_below_db is not None:
        for name, decibels in _sensitivity(calibration, keep):
            if decibels < options.keep_float_below_db:
                keep[name] = f"{decibels:.1f} dB at the scores when it alone is quantized"
    places = calibration.places(keep)
    slow = recipe.tactics is not None and not (places.multiplying and places.weights)
    if slow:
        recipe = dataclasses.replace(recipe, tactics=None)
        calibration.request = dataclasses.replace(request, recipe=recipe)
        places = calibration.places(keep)
    if not places.multiplying or not places.weights:
        raise BuildError(f"{model.name}: no layer is left to quantize for the recipe {recipe.name}.")
    grids = calibration.grids(places)
    if options.bias_correction:
        quantized = insert(calibration.proto, recipe, places, grids)
        corrected = correct_biases(model, calibration.proto, quantized, places, calibration.images)
        calibration.proto.CopyFrom(corrected)
        places = calibration.places(keep)
    proto = insert(calibration.proto, recipe, places, grids)
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise BuildError(f"Quantizing {model.name} in the recipe {recipe.name} failed: {error}") from error
    embed(proto, model.contract, model.class_names or ())
    left = {**places.left_float, **keep}
    needed = {one.range_of for one in places.activations}
    seen = {name: one for name, one in calibration.seen.items() if name in needed}
    warnings = find_warnings(
        len(calibration.images), seen, _ceilings(calibration.proto.graph), calibration.not_equalized
    )
    if slow:
        warnings.append(_SLOW.format(engine=recipe.engine, precision=recipe.precision))
    describe(proto, images=len(calibration.images), options=options, warnings=warnings, kept=left)
    return dataclasses.replace(model, proto=proto, precision=own_precision(proto, Path(model.name)))


def sensitivity(request: Request) -> list[tuple[str, float]]:
    """(node, decibels) of every node that the recipe quantizes, the most sensitive first.

    Decibels: signal to noise at the scores with that node alone quantized, over the first 32 calibration images.
    """
    return _sensitivity(_prepared(request), dict.fromkeys([*request.options.keep_float, *request.leave], ""))


def _prepared(request: Request) -> _Calibration:
    model, recipe, images = request.model, request.recipe, request.images
    if images is None or not len(images):
        raise BadInputError(f"{recipe.precision} needs calibration images.")
    first, _ = next(tensors(model, images, 1))
    # QuantizeLinear takes float8 from opset 19 on.
    raised = at_blocked_opset if str(recipe.activation_type).startswith("float8") else at_qdq_opset
    proto = raised(model, first)
    prepare(proto.graph)
    check_names(request.options.keep_float, proto.graph, "--keep-float")
    not_equalized: list[str] = []
    if request.options.equalize:
        proto, not_equalized = equalize(model, proto, images)
    return _Calibration(request, images, proto, not_equalized)


def _sensitivity(calibration: _Calibration, keep: Mapping[str, str]) -> list[tuple[str, float]]:
    places = calibration.places(keep)
    grids = calibration.grids(places)
    return layer_sensitivity(
        calibration.model, calibration.proto, calibration.request.recipe, places, grids, calibration.images
    )


def _ceilings(graph: onnx.GraphProto) -> dict[str, float]:
    """Values behind a Clip -> its upper bound."""
    found = {}
    for node in graph.node:
        bound = read_constant(graph, node_input(node, 2)) if node.op_type == "Clip" and node_input(node, 2) else None
        if bound is not None and bound.size == 1:
            found[node.output[0]] = float(bound.reshape(()))
    return found

"""Fake quantization in a float graph, sim-wXaY: the accuracy of X-bit weights and Y-bit activations, not their kernels.

A value x becomes (clamp(round(x / s) + z, 0, 2^Y - 1) - z) s, a weight (clamp(round(w / s), -2^(X-1), 2^(X-1) - 1)) s
(Jacob et al. 2018, equation 12; Krishnamoorthi 2018, section 2). Of activations the graph holds QuantizeLinear and
DequantizeLinear in uint8 and, behind them, a Clip in float to the smallest and largest value of the Y bits: the same
result, as both saturate on the grid's own values. The Clip is there at 8 bits, too: ONNX Runtime turns
DequantizeLinear -> Conv -> QuantizeLinear into integer kernels, float weights and all, but not across it. Rounding to
nearest has no gradient of its own; QuantizeLinear's is straight-through in engine pytorch, a Round's would be 0.
Weights stand in the file as floats.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from seatrial.calib.fold import prepare
from seatrial.calib.histogram import Histogram
from seatrial.calib.names import check_names
from seatrial.calib.observe import histograms, tensors
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.points import Weight, find_places
from seatrial.calib.quantizers import Request
from seatrial.calib.ranges import Target, entropy_limit, find_range
from seatrial.calib.recipes.simulated import OUTER_BITS
from seatrial.calib.scales import Affine
from seatrial.calib.warn import describe
from seatrial.engines.precision import simulated_bits
from seatrial.errors import UnsupportedError
from seatrial.exporters.contract import embed
from seatrial.exporters.graphs import prune
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.own_precision import SIMULATED_KEY
from seatrial.exporters.quantized import Reader

# Metadata that tells a fake-quantized file from a quantized one, whoever reads it.
_SIMULATED = (
    "Simulated: layers compute in float32 on values rounded to few bits. Its size and speed are those of float."
)
_FOREIGN = {"equalize": False, "bias_correction": False, "keep_float_below_db": None}
_FRACTIONS = np.arange(1, 101) / 100
_BATCH = 1

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class FewBits(Target):
    """An asymmetric range in uint8 of which only 2^bits values are used."""

    bits: int = 8

    def affine(self, low: float, high: float) -> Affine:
        """scale = (high - low) / (2^bits - 1), zero = round(-low / scale); the range is widened to include 0."""
        low, high, steps = min(low, 0.0), max(high, 0.0), 2**self.bits - 1
        scale = float(np.float32((high - low) / steps))
        if scale < np.finfo(np.float32).tiny:
            return Affine(self.type, 1.0, 0, 0, steps)
        return Affine(self.type, scale, int(np.clip(np.rint(-low / scale), 0, steps)), 0, steps)


def quantize_simulated(request: Request) -> DeployableModel:
    """The float32 model with fake quantization before every layer that multiplies, in the form of its recipe.

    The first and the last such layer keep at least OUTER_BITS bits. Activations' ranges come from `options.ranges`;
    weights' as in `fake_quantized`. Raises UnsupportedError for options that do not apply and for a model without
    layers that multiply by weights.
    """
    model, recipe, images, options = request.model, request.recipe, request.images, request.options
    bits = simulated_bits(recipe.precision)
    assert bits is not None
    assert bits[1] is not None
    assert images is not None
    for field, nothing in _FOREIGN.items():
        if getattr(options, field) != nothing:
            raise UnsupportedError(f"{recipe.precision} knows no {field.replace('_', ' ')}: it is for real precisions.")
    proto = onnx.ModelProto()
    proto.CopyFrom(at_qdq_opset(model, next(tensors(model, images, _BATCH))[0]))
    prepare(proto.graph)
    check_names(options.keep_float, proto.graph, "--keep-float")
    places = find_places(proto.graph, recipe, (*options.keep_float, *request.leave))
    if not places.multiplying:
        raise UnsupportedError(f"{model.name} has no layer that multiplies: there is nothing to simulate.")
    outer = {places.multiplying[0], places.multiplying[-1]}
    weight_bits, activation_bits = (
        {name: max(count, OUTER_BITS) if name in outer else count for name in places.multiplying}
        for count in (bits[0], bits[1])
    )
    found = histograms(model, proto, [one.name for one in places.activations], images)
    for weight in places.weights:
        _fake_quantize_weight(proto.graph, weight, weight_bits[weight.node])
    _fake_quantize_activations(proto.graph, activation_bits, found, options)
    prune(proto.graph)
    onnx.checker.check_model(proto)
    embed(proto, model.contract, model.class_names or ())
    describe(
        proto, images=len(images), options=options, warnings=(_SIMULATED,), kept={**places.left_float, **request.leave}
    )
    proto.metadata_props.add(key=SIMULATED_KEY, value=recipe.precision)
    return dataclasses.replace(model, proto=proto, precision=recipe.precision)


def fake_quantized(weight: Array, bits: int, axis: int | None) -> Array:
    """Weights rounded to `bits` bits, symmetric, one scale per channel along `axis`, one in all for None; float32.

    At 8 bits from the largest magnitude, as engines do it: scale = max|w| / 127. Below, the largest magnitude would
    leave most weights in the few steps around 0: of scales that are 1 % to 100 % of it, the one with the least squared
    error for the channel (the MSE observer of MQBench, and of Banner et al. 2019).
    """
    rows = weight.reshape(1, -1) if axis is None else np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    widest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 256) / np.float32(high)
    best, least = np.zeros_like(rows), np.full((len(rows), 1), np.inf)
    for fraction in _FRACTIONS if bits < 8 else _FRACTIONS[-1:]:
        scale = widest * np.float32(fraction)
        rounded = np.clip(np.rint(rows / scale), low, high) * scale
        error = ((rows - rounded).astype(np.float64) ** 2).sum(axis=1, keepdims=True)
        best, least = np.where(error <= least, rounded, best), np.minimum(error, least)
    if axis is None:
        return best.reshape(weight.shape).astype(np.float32)
    moved = (weight.shape[axis], *np.delete(weight.shape, axis))
    return np.ascontiguousarray(np.moveaxis(best.reshape(moved), 0, axis)).astype(np.float32)


def grid_of(histogram: Histogram, bits: int, options: QuantizeOptions) -> Affine:
    """The grid of an activation in `bits` bits, from its histogram by `options.ranges`."""
    target = FewBits("uint8", False, bits)
    if options.ranges != "entropy" or histogram.exponent is None or histogram.low == histogram.high:
        return target.affine(*find_range(histogram, target, options))
    one_sided = histogram.low >= 0 or histogram.high <= 0
    limit = entropy_limit(histogram.magnitudes(), 2**bits if one_sided else 2 ** (bits - 1)) * histogram.width
    return target.affine(max(-limit, histogram.low), min(limit, histogram.high))


def _fake_quantize_weight(graph: onnx.GraphProto, place: Weight, bits: int) -> None:
    node = next(node for node in graph.node if node.name == place.node)
    value = np.asarray(Reader(graph).value(node.input[place.position]), np.float32)
    name = f"{node.name}_weight_{bits}bit"
    graph.initializer.append(numpy_helper.from_array(fake_quantized(value, bits, place.axis), name))
    node.input[place.position] = name


def _fake_quantize_activations(
    graph: onnx.GraphProto, bits: Mapping[str, int], found: Mapping[str, Histogram], options: QuantizeOptions
) -> None:
    """Writes the nodes before the first reader of each value; readers of one value in as many bits share them."""
    nodes: list[onnx.NodeProto] = []
    made: dict[tuple[str, int], str] = {}
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for position, name in enumerate(node.input[:2] if node.name in bits else ()):
            if name not in found:
                continue
            key = (name, bits[node.name])
            if key not in made:
                stem = made[key] = f"{name}_{key[1]}bit"
                nodes.extend(_fake_quantization(name, stem))
                graph.initializer.extend(_parameters(stem, grid_of(found[name], key[1], options)))
            copy.input[position] = made[key]
        nodes.append(copy)
    del graph.node[:]
    graph.node.extend(nodes)


def _fake_quantization(name: str, stem: str) -> Iterator[onnx.NodeProto]:
    grid = [f"{stem}_scale", f"{stem}_zero_point"]
    yield helper.make_node("QuantizeLinear", [name, *grid], [f"{stem}_integer"], name=f"{stem}_quantize")
    yield helper.make_node("DequantizeLinear", [f"{stem}_integer", *grid], [f"{stem}_wide"], name=f"{stem}_dequantize")
    limits = [f"{stem}_smallest", f"{stem}_largest"]
    yield helper.make_node("Clip", [f"{stem}_wide", *limits], [stem], name=f"{stem}_narrow")


def _parameters(stem: str, grid: Affine) -> Iterator[onnx.TensorProto]:
    scale = np.float32(grid.scale)
    yield numpy_helper.from_array(np.array(scale, np.float32), f"{stem}_scale")
    yield numpy_helper.from_array(np.array(grid.zero, np.uint8), f"{stem}_zero_point")
    for word, code in (("smallest", grid.smallest), ("largest", grid.largest)):
        yield numpy_helper.from_array(np.array(np.float32(code - grid.zero) * scale, np.float32), f"{stem}_{word}")

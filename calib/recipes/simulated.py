"""Fake quantization: what papers on low bit-widths compute, in float, on engines that compute a graph as written."""

from __future__ import annotations

from seatrial.calib.recipes.recipe import Recipe
from seatrial.engines.precision import simulated_bits

ENGINES = ("onnxruntime", "openvino", "pytorch")
# Bits that the first and the last multiplying layer keep.
OUTER_BITS = 8
_REASONS = (
    "simulated: every layer computes in float32 on values rounded to few bits; nothing becomes smaller or faster",
    "weights symmetric per output channel, activations asymmetric per tensor, before each layer that multiplies: the "
    "usual form of the papers; biases and residual sums stay float",
    f"the first and the last such layer keep {OUTER_BITS} bits (LSQ, BRECQ, QDrop do the same)",
    "QuantizeLinear and DequantizeLinear, so that gradients pass straight through, with a float Clip behind: it "
    "narrows 8 bits to fewer, and no engine fuses integer kernels across it",
)
_WEIGHT_REASONS = (
    _REASONS[0],
    "weights per output channel and biases per tensor on odd integers times a scale: 2^X levels and no zero, so that 1 "
    "bit is the sign; activations stay float",
    "all layers alike: studies of this axis have two, which are the first and the last",
)


def recipe(engine: str, precision: str) -> Recipe | None:
    """The recipe of any sim-wXaY and sim-wX; None for other precisions and for engines that do not simulate."""
    bits = simulated_bits(precision)
    if bits is None or engine not in ENGINES:
        return None
    weights_alone = bits[1] is None
    return Recipe(
        engine=engine,
        precision=precision,
        activation_type=None if weights_alone else "uint8",
        weight_type="int16" if weights_alone and bits[0] > 7 else "int8",
        symmetric_activations=False,
        symmetric_weights=True,
        per_channel=True,
        quantize_bias=False,
        quantize_outputs=False,
        quantize_residuals=False,
        reasons=_WEIGHT_REASONS if weights_alone else _REASONS,
    )

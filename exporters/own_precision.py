"""The precision that a file has of its own: what its weights and its Q/DQ nodes say, in seatrial's words.

| weights | activations | word |
|---|---|---|
| float32, or float of several kinds | float | fp32 |
| all float16, all bfloat16 | float | fp16, bf16 |
| float8 | float8 | fp8 |
| 8 bits | 8 bits | int8 |
| 2 to 8 bits | 2 to 8 bits | sim-wXaY: no engine multiplies so, what the nodes say is computed in float |
| 4 bits | float | int4 |
| 8 bits | float | fp32: dequantizing gives float weights, nothing else is meant |
| other bits up to 10, and 4 and 8 on a grid of odd integers | float | sim-wX |

Of a mixed file it is that of most multiply-adds among the layers whose weights are quantized, of weights and of
activations each: first and last layers of 8 bits change nothing, nor do layers that stay float. `mixed_words` says what
is beside, the audit how much of the arithmetic. One bit beside quantized activations counts as two: no word has less.
A file that simulates a precision in float says so in its metadata, as its nodes would not tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.folding import fold_constants
from seatrial.exporters.graphs import all_tensors
from seatrial.exporters.layer_bits import LayerBits, layers_of, most
from seatrial.exporters.quantized import Reader, Step

SIMULATED_KEY = "seatrial.simulated"
# As `engines.precision` knows them; of weights alone, with activations in float, and of both.
_SIMULATED = re.compile("sim-w([2-8]a[2-8]|[1-9]|10)")
_LEAST_BITS, _MOST_BITS, _MOST_WEIGHT_BITS = 2, 8, 10
_NAMED = 4
_FLOAT_WORDS: dict[int, str] = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def own_precision(model: onnx.ModelProto, path: Path) -> str:
    """The word for the file's own precision.

    Raises UnsupportedError for quantization that has none (16-bit activations, quantized activations with float
    weights), BadInputError for Q/DQ nodes whose scales are computed while the graph runs.
    """
    said = next((entry.value for entry in model.metadata_props if entry.key == SIMULATED_KEY), "")
    if _SIMULATED.fullmatch(said):
        return said
    model = fold_constants(model)  # a weight stored in float16 behind a Cast to float32 multiplies in float32
    try:
        found = Reader(model.graph).read()
    except (BadInputError, ValueError) as error:  # also shapes that do not go together
        raise BadInputError(f"{path}: {error}") from error
    # Vectors beside them are biases and BatchNormalization's; they decide no kernel.
    weights = [step for step in found.weights if step.ndim is None or step.ndim > 1]
    if not weights and not found.activations:
        return _float_word(model)
    wide = max(found.activations, key=lambda step: step.bits, default=None)
    if wide is not None and wide.bits > _MOST_BITS:
        raise UnsupportedError(
            f"{path} quantizes activations to {wide.bits} bits (node {_name(wide)}), a precision that seatrial does "
            "not have. Quantize them to 8 bits, or give the float model."
        )
    if not weights:
        raise UnsupportedError(
            f"{path} quantizes activations (node {_name(found.activations[0])}) but no weight, which no engine "
            "executes. Quantize the weights, too, or give the float model."
        )
    broad = max(weights, key=lambda step: step.bits)
    if broad.bits > (_MOST_BITS if found.activations else _MOST_WEIGHT_BITS):
        raise UnsupportedError(
            f"{path} has weights of {broad.bits} bits behind DequantizeLinear (node {_name(broad)}). Give the float "
            "model."
        )
    if found.activations and any(step.kind == "float" for step in (*weights, *found.activations)):
        return "fp8"
    layers = layers_of(model, found)
    bits = _settled(layers, weights)
    read = most((layer.activations, layer.work) for layer in layers if layer.activations is not None)
    if not found.activations:
        plain = not any(step.odd for step in weights)
        return {4: "int4", 8: "fp32"}.get(bits, f"sim-w{bits}") if plain else f"sim-w{bits}"
    assert wide is not None
    activations = max(_LEAST_BITS, wide.bits if read is None else read)
    bits = max(_LEAST_BITS, bits)
    return "int8" if (bits, activations) == (_MOST_BITS, _MOST_BITS) else f"sim-w{bits}a{activations}"


def mixed_words(model: onnx.ModelProto, precision: str) -> str | None:
    """What a file of that precision multiplies beside it, in words; None for one that is of one precision, and for
    files whose nodes do not tell.
    """
    try:
        layers = layers_of(fold_constants(model))
    except BadInputError:
        return None
    kinds = Counter({(one.weights, one.activations): 0 for one in layers})
    for one in layers:
        kinds[one.weights, one.activations] += one.work
    total = sum(kinds.values())
    if len(kinds) < 2 or not total or all(min(weights, read or _MOST_BITS) >= _MOST_BITS for weights, read in kinds):
        return None
    (main, share), *others = kinds.most_common()
    beside = []
    for kind, work in others:
        names = [one.node for one in layers if (one.weights, one.activations) == kind]
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        beside.append(f"{_bits(*kind)} in {listed} ({work / total:.1%})")
    return (
        f"Its layers are not all of one precision; it goes by {precision}. Of the multiply-adds of its quantized "
        f"layers {share / total:.1%} are in {_bits(*main)}; beside that: {'; '.join(beside)}."
    )


def _bits(weights: int, activations: int | None) -> str:
    return f"w{weights} with float activations" if activations is None else f"w{weights}a{activations}"


def _settled(layers: Sequence[LayerBits], weights: Sequence[Step]) -> int:
    """Bits of most weights. Where they are counted, a layer may happen not to use all that the file's training gave it:
    it counts as the next that needs one more.
    """
    counted = {layer.weights for layer in layers if layer.counted}
    pairs = [(layer.weights + (layer.counted and layer.weights + 1 in counted), layer.work) for layer in layers]
    found = most(pairs)
    return max(step.bits for step in weights) if found is None else found


def _float_word(model: onnx.ModelProto) -> str:
    floats = [tensor for _, tensor in all_tensors(model) if tensor.data_type in _FLOATS]
    kinds = {tensor.data_type for tensor in floats if len(tensor.dims) > 1} or {tensor.data_type for tensor in floats}
    return _FLOAT_WORDS.get(kinds.pop(), "fp32") if len(kinds) == 1 else "fp32"


def _name(step: Step) -> str:
    return repr(step.node.name or step.node.output[0])

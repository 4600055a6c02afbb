"""The precision that a file has of its own: what its weights and its Q/DQ nodes say, in seatrial's words.

| weights | activations | word |
|---|---|---|
| float32, or float of several kinds | float | fp32 |
| all float16, all bfloat16 | float | fp16, bf16 |
| float8 | float8 | fp8 |
| up to 8 bits, somewhere more than 4 | up to 8 bits | int8 |
| up to 4 bits | up to 8 bits | w4a8 |
| up to 4 bits | float | int4 |
| up to 8 bits, somewhere more than 4 | float | fp32: dequantizing gives float weights, nothing else is meant |

Of a mixed file it is the widest: one 8-bit layer among 4-bit ones makes int8. Layers that stay float change nothing;
the audit says how much of the arithmetic they are. Below 4 bits there is no word: 4 covers it. A file that simulates
a precision in float says so in its metadata, as its nodes would not tell.
"""

from __future__ import annotations

import re
from pathlib import Path

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.folding import fold_constants
from seatrial.exporters.graphs import all_tensors
from seatrial.exporters.quantized import Reader, Step

SIMULATED_KEY = "seatrial.simulated"
_SIMULATED = re.compile("sim-w[2-8]a[2-8]")
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
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    # Vectors beside them are biases and BatchNormalization's; they decide no kernel.
    weights = [step for step in found.weights if step.ndim is None or step.ndim > 1]
    if not weights and not found.activations:
        return _float_word(model)
    wide = max(found.activations, key=lambda step: step.bits, default=None)
    if wide is not None and wide.bits > 8:
        raise UnsupportedError(
            f"{path} quantizes activations to {wide.bits} bits (node {_name(wide)}), a precision that seatrial does "
            "not "
            "have. Quantize them to 8 bits, or give the float model."
        )
    if not weights:
        raise UnsupportedError(
            f"{path} quantizes activations (node {_name(found.activations[0])}) but no weight, which no engine "
            "executes. "
            "Quantize the weights, too, or give the float model."
        )
    bits = max(step.bits for step in weights)
    if bits > 8:
        raise UnsupportedError(f"{path} has weights of {bits} bits behind DequantizeLinear. Give the float model.")
    if not found.activations:
        return "int4" if bits <= 4 else "fp32"
    if any(step.kind == "float" for step in (*weights, *found.activations)):
        return "fp8"
    return "w4a8" if bits <= 4 else "int8"


def _float_word(model: onnx.ModelProto) -> str:
    floats = [tensor for _, tensor in all_tensors(model) if tensor.data_type in _FLOATS]
    kinds = {tensor.data_type for tensor in floats if len(tensor.dims) > 1} or {tensor.data_type for tensor in floats}
    return _FLOAT_WORDS.get(kinds.pop(), "fp32") if len(kinds) == 1 else "fp32"


def _name(step: Step) -> str:
    return repr(step.node.name or step.node.output[0])

"""The reasons, each with the fact that it follows from. The first that holds is given.

What is said of a runtime was seen on real builds: a file that has the fact runs in float, the same file without it does
not. tests/unit/harness/results/test_fallback.py repeats that. For ONNX Runtime, the conditions are also those of its
source: onnxruntime/core/optimizer/qdq_transformer/selectors_actions/qdq_selectors.cc.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import TensorProto

from seatrial.engines.audit import Layer
from seatrial.engines.precision import FLOAT_PRECISIONS
from seatrial.exporters.graphs import attribute_of
from seatrial.harness.results.fallback.facts import FileFacts, Operand

UNEXPLAINED = "the runtime chose it; nothing in the file explains it"
_FOUR_BITS = (TensorProto.INT4, TensorProto.UINT4)
_PRODUCTS = ("MatMul", "Gemm")
# What ONNX Runtime makes integer kernels of, or has as such.
_ORT_INTEGERS = (
    *("Conv", "MatMul", "Gemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat"),
    *("QLinearConv", "QLinearMatMul", "QGemm", "QAttention", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"),
)
# Calibration's words for nodes that the user named.
_ASKED = {"asked for": "--keep-float", "named by keep_float": "--keep-float"}
_FLOAT_WORDS: dict[int | None, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
}
_HINT_WORDS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer that fell back, its node in the file, and on what it was built.

    kept: nodes that calibration left in float -> why. options: what `Engine.describe` says. x86: of the processor.
    """

    layer: Layer
    node: onnx.NodeProto
    facts: FileFacts
    engine: str
    kept: Mapping[str, str]
    options: Mapping[str, Any]
    x86: bool

    @property
    def data(self) -> Operand | None:
        """The first operand."""
        return self.facts.operand(self.node, 0)

    @property
    def weight(self) -> Operand | None:
        """The second."""
        return self.facts.operand(self.node, 1)

    @property
    def kind(self) -> str:
        """What the operator is called in a sentence."""
        return "convolution" if "Conv" in self.node.op_type else self.node.op_type


Rule = Callable[[Case], str | None]


def _left_in_float(case: Case) -> str | None:
    why = case.kept.get(case.node.name)
    if why is None:
        return None
    return f"left in float in the file ({_ASKED.get(why, why)})"


def _float_file(case: Case) -> str | None:
    return None if case.facts.has_qdq else "the file is a float model: it has no Q/DQ nodes"


def _no_integer_kernel(case: Case) -> str | None:
    if case.engine != "onnxruntime" or case.node.op_type in _ORT_INTEGERS:
        return None
    return f"ONNX Runtime makes no integer kernel of {case.node.op_type}"


def _float_input(case: Case) -> str | None:
    data, other = case.data, case.weight
    if data is not None and not data.quantized and not data.constant:
        return "no Q/DQ on its input"
    if other is not None and not other.quantized and not other.constant:
        return "no Q/DQ on its second input"
    return None


def _float_weights(case: Case) -> str | None:
    weight = case.weight
    if weight is None or weight.quantized or not weight.constant:
        return None
    return "its weights are float in the file: no Q/DQ on them"


def _four_bit_convolution(case: Case) -> str | None:
    weight = case.weight
    if weight is None or weight.data_type not in _FOUR_BITS or "Conv" not in case.node.op_type:
        return None
    return f"4-bit weights of a convolution: {case.engine} dequantizes them and computes in float"


def _untouched_by_int4(case: Case) -> str | None:
    weight = case.weight
    if case.node.op_type not in _PRODUCTS and (weight is None or weight.data_type not in _FOUR_BITS):
        return f"a {case.kind}, not MatMul or Gemm: weight-only int4 does not touch it"
    if weight is not None and not weight.constant and not weight.quantized:
        return "a product of two activations: it has no weights"
    return None


def _ort_level(case: Case) -> str | None:
    level = case.options.get("optimization")
    if level not in ("disable", "basic"):
        return None
    return f"--optimization {level}: ONNX Runtime makes integer kernels of Q/DQ from extended on"


def _ort_result(case: Case) -> str | None:
    if "Conv" not in case.node.op_type:
        return None
    result = case.facts.result(case.node)
    if not result.rounded:
        return "its result is read in float: ONNX Runtime has integer convolutions only between Q/DQ pairs"
    if result.activation is not None and not result.least:
        return (
            f"a {result.activation} between it and its Q/DQ, whose zero point is not the least integer (symmetric "
            "activations): ONNX Runtime cannot fold the two"
        )
    return None


def _ort_signed(case: Case) -> str | None:
    data = case.data
    if not case.x86 or "Conv" not in case.node.op_type or data is None:
        return None
    result = case.facts.result(case.node)
    kept_signed = [one for one in (data, result) if one.data_type == TensorProto.INT8 and one.readers > 1]
    if not kept_signed:
        return None
    return (
        "int8 activations that several operators read: on x86 ONNX Runtime makes int8 values with one reader uint8, "
        "others stay int8, and its integer convolutions take no int8 activations there"
    )


def _ort_float_bias(case: Case) -> str | None:
    bias = case.facts.operand(case.node, 2)
    if case.node.op_type != "Gemm" or bias is None or bias.quantized or case.facts.result(case.node).rounded:
        return None
    return "a float bias, and a result that is read in float: ONNX Runtime's integer Gemm then wants an int32 bias"


def _ort_int4_level(case: Case) -> str | None:
    found = _ort_level(case)
    return None if found is None else found.replace("integer kernels of Q/DQ", "MatMulNBits of 4-bit weights")


def _ort_int4_layout(case: Case) -> str | None:
    weight = case.weight
    if weight is None or weight.data_type not in _FOUR_BITS:
        return None
    transposed = attribute_of(case.node, "transB")
    if case.node.op_type == "Gemm" and transposed is not None and transposed.i:
        return "4-bit weights of a Gemm with transB=1: MatMulNBits is made of [K, N] weights"
    if weight.block and (weight.axis != 0 or weight.block < 16 or weight.block & (weight.block - 1)):
        return (
            f"4-bit weights in blocks of {weight.block} along axis {weight.axis}: MatMulNBits takes powers of two from "
            "16 on, along axis 0"
        )
    return None


def _ort_int4_fused(case: Case) -> str | None:
    weight = case.weight
    if weight is None or weight.data_type not in _FOUR_BITS or case.layer.op != "FusedGemm":
        return None
    return (
        "joined with the bias and the activation behind it to a FusedGemm, which has no 4-bit weights, before "
        "MatMulNBits could be made of it"
    )


def _openvino_unsigned_weights(case: Case) -> str | None:
    weight = case.weight
    if weight is None or not weight.constant or weight.data_type != TensorProto.UINT8:
        return None
    return "uint8 weights: OpenVINO's integer kernels take int8 ones"


def _openvino_computed_weights(case: Case) -> str | None:
    weight = case.weight
    if weight is None or not weight.quantized or weight.constant or weight.readers:
        return None
    return "its quantized weights are computed, not constants"


def _openvino_two_activations(case: Case) -> str | None:
    data, other = case.data, case.weight
    if data is None or other is None or other.constant or not (data.zero or other.zero):
        return None
    return "a product of two activations with a zero point other than 0, which OpenVINO compensates for weights alone"


def _openvino_subgraph(case: Case) -> str | None:
    if not case.layer.op.startswith("Subgraph"):
        return None
    return "OpenVINO joined it with its neighbours to a Subgraph kernel, which computes in float"


def _openvino_hint(case: Case) -> str | None:
    settings = case.options.get("settings", {})
    hint = settings.get("INFERENCE_PRECISION_HINT")
    if hint is None and case.layer.realized == "bf16":
        return (
            "INFERENCE_PRECISION_HINT is not set: on processors with bfloat16 instructions OpenVINO computes float32 "
            "files in bfloat16"
        )
    if hint in _HINT_WORDS and _HINT_WORDS[hint] == case.layer.realized:
        return f"INFERENCE_PRECISION_HINT is {hint}"
    return None


def _other_float_weights(case: Case) -> str | None:
    weight = case.weight
    word = None if weight is None or weight.quantized else _FLOAT_WORDS.get(weight.data_type)
    return None if word != case.layer.realized else f"its weights are {word} in the file"


_INTEGER: tuple[Rule, ...] = (
    *(_left_in_float, _float_file, _no_integer_kernel),
    *(_float_weights, _float_input, _four_bit_convolution),
)
_WEIGHT_ONLY: tuple[Rule, ...] = (_left_in_float, _four_bit_convolution, _untouched_by_int4, _float_weights)
_FLOAT: tuple[Rule, ...] = (_left_in_float,)
# (engine, device) -> what is asked after the general rules, which look at the file alone.
_ORT = ("onnxruntime", "cpu")
_OPENVINO = ("openvino", "cpu")
_INTEGER_OF: dict[tuple[str, str], tuple[Rule, ...]] = {
    _ORT: (_ort_level, _ort_result, _ort_signed, _ort_float_bias),
    _OPENVINO: (
        _openvino_unsigned_weights,
        _openvino_computed_weights,
        _openvino_two_activations,
        _openvino_subgraph,
    ),
}
_WEIGHT_ONLY_OF: dict[tuple[str, str], tuple[Rule, ...]] = {
    _ORT: (_ort_int4_level, _ort_int4_layout, _ort_int4_fused),
    _OPENVINO: (_openvino_subgraph,),
}
_FLOAT_OF: dict[tuple[str, str], tuple[Rule, ...]] = {_OPENVINO: (_openvino_hint,)}


def rules_for(precision: str, engine: str, device: str) -> tuple[Rule, ...]:
    """The rules for a requested precision on a device (its kind, as in `cpu`), in their order."""
    where = (engine, device)
    if precision in FLOAT_PRECISIONS:
        return (*_FLOAT, *_FLOAT_OF.get(where, ()), _other_float_weights)
    if precision == "int4":
        return (*_WEIGHT_ONLY, *_WEIGHT_ONLY_OF.get(where, ()))
    return (*_INTEGER, *_INTEGER_OF.get(where, ()))

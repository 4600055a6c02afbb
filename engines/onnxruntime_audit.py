"""From the kernels that ONNX Runtime ran to the audit, on the host: which work ran at which precision."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence

import onnx

from seatrial.engines.audit import UNKNOWN, Audit, Layer
from seatrial.engines.base import BuildRequest
from seatrial.engines.evidence import Ask
from seatrial.engines.onnxruntime_profile import Execution, profile_of
from seatrial.engines.onnxruntime_providers import Provider, provider_of
from seatrial.engines.onnxruntime_written import Written

_BY_TYPE = {
    "float": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "double": "fp64",
    "uint8": "int8",
    "int8": "int8",
    "int16": "int16",
    "uint16": "int16",
}
# Kernels that round float activations themselves.
_ROUNDING = ("DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
# Kernels of packed weights -> the attribute that tells their bits; 4 where there is none.
_PACKED = {"MatMulNBits": "bits", "QMoE": "expert_weight_bits", "MatMulBnb4": "", "MatMulFpQ4": ""}
_ACCURACY_OF_INT8 = 4


def judge(request: BuildRequest, ask: Ask) -> Audit:
    """The audit by two parts of evidence (`onnxruntime_evidence`): "executed", an inference as built, and where that
    does not tell enough "written", one of the graph node by node.
    """
    provider, images = provider_of(request.device), request.fixed_batch or 1

    def written() -> Written:
        return Written(*profile_of(ask("written")))

    if provider.compiles:
        return unseen_audit(written().calls, provider, request.precision, images)
    executed, _ = profile_of(ask("executed"))
    return read_audit(executed, written, request.precision, provider.name, images)


def read_audit(
    executed: Sequence[Execution], written: Callable[[], Written], requested: str, provider: str, images: int
) -> Audit:
    """The audit of one profiled inference of `images` images; multiply-accumulates for one of them.

    written: the graph as the file has it. It is asked where a kernel pads its channels, or is none that
    `engines.work` knows: what the file multiplies and no other kernel shows is that kernel's. A kernel that stands in
    the file itself, unknown, is counted at the most that it can multiply. A kernel of another provider than `provider`
    is named with it.
    """
    written = functools.cache(written)
    layers: list[Layer] = []
    others: list[Execution] = []
    strange: list[Execution] = []
    for call in executed:
        if call.constant or call.products == ():
            others.append(call)
        elif call.products is None:
            strange.append(call)
        else:
            layers += _counted(call, written, requested, provider)
    fused = [call for call in strange if not written().has(call)]
    standing = [call for call in strange if written().has(call)]
    lost = written().macs - sum(layer.macs for layer in layers) if fused else 0
    if lost > 0:
        names, kernels = ([call.name for call in fused], [_kernel(call, provider) for call in fused])
        layers.append(Layer(_listed(names), _listed(kernels), lost, requested, UNKNOWN))
    else:
        others += fused
    layers += [
        Layer(call.name, _kernel(call, provider), _most(call), requested, UNKNOWN, guessed=True) for call in standing
    ]
    counts = Counter(_kernel(call, provider) for call in others)
    return Audit(_joined(layers, images), dict(sorted(counts.items())))


def unseen_audit(calls: Sequence[Execution], provider: Provider, requested: str, images: int) -> Audit:
    """The audit of a graph that a provider compiled whole: each layer's work, of "unknown" precision.

    Neither a profile nor the graph shows what happens inside its engine. calls: of the graph executed node by node on
    `images` images, which counts the work.
    """
    seen = read_audit(calls, lambda: Written(calls, onnx.GraphProto()), requested, provider.name, images)
    return Audit(tuple(dataclasses.replace(one, op=provider.name, realized=UNKNOWN) for one in seen.layers), {})


def _counted(call: Execution, written: Callable[[], Written], requested: str, provider: str) -> list[Layer]:
    """A layer for each product of a call. Channels in blocks are padded: the file has the work without."""
    asked = call.macs if call.value is None else written().convolution(call.value) or call.macs
    return [
        Layer(
            call.name,
            _kernel(call, provider),
            product.macs * asked // call.macs,
            requested,
            _word(call, product.operand),
        )
        for product in call.products or ()
    ]


def _listed(names: Sequence[str]) -> str:
    return " + ".join(dict.fromkeys(names))


def _joined(layers: Sequence[Layer], images: int) -> tuple[Layer, ...]:
    """One layer for all calls of a node in a loop, its work that for one image."""
    macs: Counter[Layer] = Counter()
    for layer in layers:
        macs[dataclasses.replace(layer, macs=0)] += layer.macs
    return tuple(dataclasses.replace(layer, macs=total // images) for layer, total in macs.items())


def _kernel(call: Execution, provider: str) -> str:
    return call.op if call.provider == provider else f"{call.op} ({call.provider})"


def _word(call: Execution, operand: int) -> str:
    """The precision word of what is multiplied: that of the operand, unless the kernel makes another of it."""
    kind = call.types[operand] or ""
    if call.op in _ROUNDING:
        return "int8"
    if call.op in _PACKED:
        bits = call.attributes.get(_PACKED[call.op], 4)
        rounds = call.attributes.get("accuracy_level", 0) == _ACCURACY_OF_INT8
        if bits <= 4:
            return "w4a8" if rounds else "int4"
        if rounds:
            return "int8"
    return _BY_TYPE.get(kind, kind or UNKNOWN)


def _most(call: Execution) -> int:
    """Every value of the result may meet every value that is read."""
    outputs, inputs = (
        sum(math.prod(shape) for shape in shapes if shape is not None) for shapes in (call.outputs, call.inputs)
    )
    return outputs * inputs

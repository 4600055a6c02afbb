"""From the layers of a built engine to the audit, on the host: which work ran at which precision."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines.audit import UNKNOWN, Audit, Layer, with_guesses
from seatrial.engines.base import BuildRequest
from seatrial.engines.tensorrt.inspector import BuiltLayer, read_layers
from seatrial.engines.tensorrt.macs import node_macs

# Kinds and kernels that multiply, where several layers carry the name of one ONNX node (its reformats, its Q/DQ).
# Myelin, TensorRT's compiler, calls a convolution a correlation, and its kernels by what was fused: __myl_FcAddCast.
_MULTIPLIES = re.compile(r"conv|correlation|gemm|matmul|matrix|mha|attention|(?<![a-z])fc(?![a-z])", re.IGNORECASE)
_MYELIN = re.compile(r"^__myl_\w*(Fc|MulSum|Conv)(?=[A-Z_]|$)")
# sm80_xmma_fprop_implicit_gemm_i8f32_i8i32_f32_nhwc...: types of the tensors, of what is multiplied and of its sum.
_TACTIC = re.compile(
    r"_(?:tf32|bf16|f16|f32|i8|e4m3|e5m2){2}_(tf32|bf16|f16|f32|i8|e4m3)(?:bf16|f16|f32|i32)_(?:bf16|f16|f32)"
)
# cutlass3x_sm100_tensorop_s128x128x8tf32implicit_gemm_fprop_f32_f32_f32...: the type of the product where it is not
# that of the tensors, then the types of the tensors.
_CUTLASS = re.compile(
    r"cutlass\w*_tensorop_[a-z]*\d+x\d+x\d+(tf32)?[a-z_0-9]*?_(bf16|f16|f32|s8|i8|e4m3|e5m2)_(bf16|f16|f32|s8|i8|e4m3|e5m2)_"
)
# The search takes the square of a name's length, and none of these comes near it.
_LONGEST_KERNEL = 512
_OPERANDS = {
    "s8": "int8",
    "e5m2": "fp8",
    "tf32": "tf32",
    "bf16": "bf16",
    "f16": "fp16",
    "f32": "fp32",
    "i8": "int8",
    "e4m3": "fp8",
}


def judge(request: BuildRequest, told: Any) -> Audit:
    """The audit of an engine whose inspector told that text; DeviceError where that cannot be read."""
    layers = read_layers(str(told))
    return audit_layers(layers, node_macs(request.onnx_bytes, request.input_name), request.precision)


def audit_layers(layers: Sequence[BuiltLayer], macs: Mapping[str, int], requested: str) -> Audit:
    """The audit of an engine's layers.

    macs: multiply-accumulates for one image by ONNX node, in the order of the graph (`macs.node_macs`). Each node's
    work is counted once, in the layer that does it. Work that no layer names is a layer of its own; it is of "unknown"
    precision, as is the work of a layer that does not tell what it computes in. Work that is not known, -1, is a layer
    of its own, too, guessed.
    """
    places = _Places(layers, list(macs))
    doers = {node: places.doers(node) for node in macs}
    words = functools.cache(lambda index: realized(layers[index]))
    done: dict[int, list[str]] = {}
    alone: list[tuple[str, Layer]] = []
    for node, found in doers.items():
        if not found or len({words(index) for index in found}) > 1:
            alone.append((node, Layer(node, "not shown by the engine", macs[node], requested, UNKNOWN)))
        elif macs[node] < 0:
            alone.append((node, _layer(node, layers[found[0]], macs[node], requested)))
        else:
            done.setdefault(found[0], []).append(node)
    told = [
        _layer(" + ".join(nodes), layers[index], sum(macs[node] for node in nodes), requested)
        for index, nodes in sorted(done.items())
    ]
    lost = [layer for node, layer in alone if macs[node] >= 0]
    uncounted = [layer for node, layer in alone if macs[node] < 0]
    busy = {*done, *(doers[node][0] for node, _ in alone if doers[node] and macs[node] < 0)}
    others = Counter(layer.kind for index, layer in enumerate(layers) if index not in busy)
    return Audit(with_guesses([*told, *lost], uncounted), dict(sorted(others.items())))


def _layer(name: str, layer: BuiltLayer, macs: int, requested: str) -> Layer:
    return Layer(name, _kernel(layer), macs, requested, realized(layer))


def realized(layer: BuiltLayer) -> str:
    """The precision word of what a layer multiplies in: what its kernel's name tells, else its weights and
    activations where they agree, else "unknown".
    """
    if "int4" in (layer.weights, *layer.inputs):
        return "w4a8" if "int8" in layer.inputs else "int4"
    tactic = _TACTIC.search(layer.tactic)
    if tactic:
        return _OPERANDS[tactic[1]]
    cutlass = _CUTLASS.search(layer.tactic[:_LONGEST_KERNEL])
    if cutlass and (cutlass[1] or cutlass[2] == cutlass[3]):
        return _OPERANDS[cutlass[1] or cutlass[2]]
    if layer.opaque:
        return UNKNOWN
    if layer.weights:
        return layer.weights if layer.inputs[:1] == (layer.weights,) else UNKNOWN
    told = set(layer.inputs) - {""}
    return told.pop() if len(told) == 1 else UNKNOWN


def _multiplies(layer: BuiltLayer) -> bool:
    return bool(_MULTIPLIES.search(f"{layer.kind} {layer.tactic}") or _MYELIN.search(layer.tactic or layer.name))


class _Places:
    """Where the layers are that carry the name of a node. order: of the nodes that multiply."""

    def __init__(self, layers: Sequence[BuiltLayer], order: Sequence[str]) -> None:
        self._layers = layers
        self._order = {node: position for position, node in enumerate(order)}
        self._named: dict[str, list[int]] = defaultdict(list)
        # An opaque region: the positions between its two ends, and its ends.
        self._regions: list[tuple[int, range, frozenset[str]]] = []
        for index, layer in enumerate(layers):
            if layer.opaque:
                inside = [self._order[end] for end in layer.nodes if end in self._order]
                between = range(inside[0] + 1, inside[1]) if len(inside) == 2 else range(0)
                self._regions.append((index, between, frozenset(layer.nodes)))
            else:
                for node in dict.fromkeys(layer.nodes):
                    self._named[node].append(index)

    def doers(self, node: str) -> list[int]:
        """Positions of the layers that may do a node's work: those that multiply before others, then opaque regions."""
        named = self._named.get(node)
        if named:
            return [index for index in named if _multiplies(self._layers[index])] or named
        position = self._order[node]
        return [index for index, between, ends in self._regions if position in between or node in ends]


def _kernel(layer: BuiltLayer) -> str:
    return f"{layer.kind} ({layer.tactic})" if layer.tactic else layer.kind

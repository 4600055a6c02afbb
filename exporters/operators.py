"""Operators that no engine here runs, and functions that never end: refused before anything is expanded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx

from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.graphs import all_nodes, graphs_below

STANDARD = ("", "ai.onnx")
_KNOWN = (*STANDARD, "ai.onnx.ml", "com.microsoft")
# Ten times the largest classifier; each node costs its checks 0.1 ms.
MAX_NODES = 50_000
MAX_FUNCTION_BYTES = 2**30

_WAYS_OUT = {
    "onnx.brevitas": "Export Q/DQ instead: brevitas.export.export_onnx_qcdq(model, args, export_path=...).",
    "qonnx": "Export Q/DQ instead of QONNX: brevitas.export.export_onnx_qcdq(model, args, export_path=...).",
    "finn": "This is a graph inside the FINN flow; give the Q/DQ export that it began with.",
    "trt": "Export standard Q/DQ: Model Optimizer at opset 19 or higher (21 for int4) writes QuantizeLinear and "
    "DequantizeLinear.",
    "com.microsoft.": "ONNX Runtime optimised this graph for one machine; give the graph that it was made from.",
    "com.ms.": "ONNX Runtime optimised this graph for one machine; give the graph that it was made from.",
    "ai.onnx.contrib": "Cut off the pre- or post-processing of onnxruntime-extensions: the input contract does the "
    "former.",
    "ai.onnx.preview": "Export it for inference, without training operators.",
    "ai.onnx.training": "Export it for inference, without training operators.",
    "org.pytorch.aten": "Export without ATen fallback: torch.onnx.export(model, args, file, dynamo=True).",
    "aten": "Export without ATen fallback: torch.onnx.export(model, args, file, dynamo=True).",
}
_ELSE = "Express it by standard operators at export, or as a model-local function."

_QUANTIZED = frozenset(
    {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
    | {"MatMulNBits", "MatMulBnb4", "MatMulFpQ4", "GatherBlockQuantized", "QAttention", "QGemm", "QMoE"}
    | {"DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat", "MatMulInteger16", "MulInteger"}
    | {"ReduceSumInteger", "QEmbedLayerNormalization", "QOrderedMatMul", "QuantizeBFP", "DequantizeBFP"}
    | {f"QLinear{name}" for name in ("Add", "Mul", "Concat", "Sigmoid", "LeakyRelu", "AveragePool", "Softmax", "Where")}
    | {"QLinearGlobalAveragePool", "QLinearReduceMean"}
)

# What `quantize_dynamic` of ONNX Runtime writes: scales are taken from what is computed, of a whole batch.
_DYNAMIC = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})


def check_operators(model: onnx.ModelProto, path: Path) -> None:
    """UnsupportedError that names the first operator that is neither standard nor a function of the model.

    So is one that stands for a quantized kernel of some runtime: what other engines make of it is not comparable.
    """
    local = {(function.domain, function.name) for function in model.functions}
    for node in all_nodes(model):
        if not all(isinstance(word, str) for word in (node.name, node.domain, node.op_type, *node.input, *node.output)):
            raise BadInputError(f"{path} is not an ONNX file: a node's name, operator or values are not UTF-8.")
        if (node.domain, node.op_type) in local:
            continue
        name = node.name or (node.output[0] if node.output else "")
        if node.domain not in _KNOWN:
            way = next((text for start, text in _WAYS_OUT.items() if node.domain.startswith(start)), _ELSE)
            raise UnsupportedError(
                f"{path}: node {name!r} is the custom operator {node.op_type} of the domain {node.domain!r}, which no "
                f"engine here knows. {way}"
            )
        if node.op_type in _DYNAMIC:
            raise UnsupportedError(
                f"{path}: node {name!r} is {node.op_type}: the file was quantized dynamically, so that its scales, and "
                "with them the answer to an image, hang on the others of a batch. Give "
                "the float model: --bits 8 quantizes it with scales that stay."
            )
        if node.op_type in _QUANTIZED:
            raise UnsupportedError(
                f"{path}: node {name!r} is {node.op_type}, a quantized kernel written into the graph, as one runtime "
                "has "
                "it. Export it as Q/DQ (QuantizeLinear and DequantizeLinear around float operators; ONNX Runtime: "
                "quant_format=QuantFormat.QDQ), or give the float model."
            )


def check_functions(model: onnx.ModelProto, path: Path) -> None:
    """BadInputError for more than MAX_NODES nodes once all model-local functions are expanded, or for a recursion.

    Counted on the call graph; nothing is expanded.
    """
    bodies = {(f.domain, f.name, f.overload): f for f in model.functions}
    if len(bodies) < len(model.functions):
        raise BadInputError(f"{path} defines a model-local function twice; export it again.")
    calls = {key: [call for call in map(_key, _nodes(f.node)) if call in bodies] for key, f in bodies.items()}
    left = {key: len(set(called)) for key, called in calls.items()}
    callers: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {key: set() for key in bodies}
    for key, called in calls.items():
        for other in called:
            callers[other].add(key)
    nodes: dict[tuple[str, str, str], int] = {}
    sizes: dict[tuple[str, str, str], int] = {}
    ready = [key for key, count in left.items() if count == 0]
    while ready:
        key = ready.pop()
        nodes[key] = sum(1 for _ in _nodes(bodies[key].node)) + sum(nodes[call] for call in calls[key])
        sizes[key] = bodies[key].ByteSize() + sum(sizes[call] for call in calls[key])
        for caller in callers[key]:
            left[caller] -= 1
            if left[caller] == 0:
                ready.append(caller)
    if len(nodes) < len(bodies):
        _, name, _ = min(set(bodies) - set(nodes))
        raise BadInputError(f"{path}: the model-local function {name!r} calls itself; no engine can expand it.")
    own = list(_nodes(model.graph.node))
    used = [call for call in map(_key, own) if call in bodies]
    total = len(own) + sum(nodes[call] for call in used)
    if total > MAX_NODES or sum(sizes[call] for call in used) > MAX_FUNCTION_BYTES:
        raise BadInputError(
            f"{path} would expand to {_spell(total)} nodes; at most {MAX_NODES} nodes and {MAX_FUNCTION_BYTES >> 20} "
            "MiB "
            "of function bodies are built."
        )


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    nodes = list(nodes)
    yield from nodes
    for graph in graphs_below(nodes):
        yield from graph.node


def _key(node: onnx.NodeProto) -> tuple[str, str, str]:
    return node.domain, node.op_type, node.overload


def _spell(count: int) -> str:
    return str(count) if count < 10**12 else "more than 10^12"

"""Reads from ONNX Runtime's own profile and optimized graph which kernels ran, at which precision, on how much work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from engines.audit import Audit, Layer, convolution_macs, matmul_macs

# Kernels that multiply and accumulate, by the position of their weight among the inputs.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = (
    *("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "TransposeMatMul"),
    *("QGemm", "QLinearMatMul", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits"),
)
# What a kernel computes in, where its name says so; elsewhere the type of its first input does.
_BY_KERNEL = {"DynamicQuantizeMatMul": "int8", "MatMulNBits": "int4"}
_BY_TYPE = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "uint8": "int8", "int8": "int8"}
_EVENT_SUFFIX = "_kernel_time"


def named_nodes(onnx_bytes: bytes) -> bytes:
    """The same graph with a name for every node that lacks one, so that profile and graph can be joined by name."""
    model = onnx.load_model_from_string(onnx_bytes)
    for index, node in enumerate(model.graph.node):
        if not node.name:
            node.name = f"{node.op_type}_{index}"
    return model.SerializeToString()


def weight_shapes(optimized: Path) -> dict[str, tuple[int, ...]]:
    """Node name -> shape of its convolution weight, from the graph that ONNX Runtime saved after optimising."""
    graph = onnx.load_model(optimized).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        position = _CONVOLUTIONS.get(node.op_type)
        if position is not None and node.input[position] in shapes:
            found[node.name] = shapes[node.input[position]]
    return found


def read_audit(profile: Path, weights: Mapping[str, tuple[int, ...]], requested: str, provider: str) -> Audit:
    """The audit of one profiled inference of one image. A kernel of another provider than `provider` is named with it.

    Work is counted as executed: where a float kernel pads its channels to the vector width, the padding counts.
    """
    layers = []
    others: Counter[str] = Counter()
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event.get("cat") != "Node" or not event["name"].endswith(_EVENT_SUFFIX):
            continue
        name = event["name"].removesuffix(_EVENT_SUFFIX)
        arguments = event["args"]
        macs = _macs(name, arguments, weights)
        ran_on = arguments["provider"]
        kernel = arguments["op_name"] if ran_on == provider else f"{arguments['op_name']} ({ran_on})"
        if macs is None:
            others[kernel] += 1
        else:
            layers.append(Layer(name, kernel, macs, requested, _realized(arguments)))
    return Audit(tuple(layers), dict(sorted(others.items())))


def _macs(name: str, arguments: Mapping[str, Any], weights: Mapping[str, tuple[int, ...]]) -> int | None:
    kernel = arguments["op_name"]
    if kernel not in _CONVOLUTIONS and kernel not in _PRODUCTS:
        return None  # some have no operands, such as RandomNormal
    _, output_shape = _tensor(arguments["output_type_shape"][0])
    _, input_shape = _tensor(arguments["input_type_shape"][0])
    if kernel in _CONVOLUTIONS:
        # A constant weight is packed beforehand and missing from the profile's inputs; one that is dequantized at run
        # time is missing from the graph's constants.
        weight = weights.get(name) or _tensor(arguments["input_type_shape"][_CONVOLUTIONS[kernel]])[1]
        return convolution_macs(output_shape, weight)
    return matmul_macs(output_shape, input_shape[-1])


def _realized(arguments: Mapping[str, Any]) -> str:
    kind, _ = _tensor(arguments["input_type_shape"][0])
    return _BY_KERNEL.get(arguments["op_name"]) or _BY_TYPE.get(kind, kind)


def _tensor(entry: Mapping[str, list[int]]) -> tuple[str, list[int]]:
    return next(iter(entry.items()))

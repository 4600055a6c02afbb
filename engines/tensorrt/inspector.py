"""Reads what TensorRT's engine inspector tells of a built engine.

Its JSON has two dialects. 10.x names the outer tensors under `Bindings` and tells a tensor's layout and type in one
text, `Format/Datatype`: "Thirty-two wide channel vectorized row major Int8 format", or "Half" inside a fused region.
11.0 has objects under `I/O Tensors`, and `Format` and `Datatype` apart; what Myelin compiled keeps its weights under
`Constants`. Sources: NVIDIA's page "Migrating IEngineInspector Usage from TensorRT 10.x to 11.x", the table of formats
in its TensorRT Engine Explorer, and engines that trtexec exported in its trt-samples-for-hackathon-cn (cookbook,
trtexec and EngineVisualization). Keys are found however they are spelled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from seatrial.engines.audit import UNKNOWN
from seatrial.errors import DeviceError

# TensorRT's words for a type -> ours.
_WORDS = {
    "fp32": "fp32",
    "float": "fp32",
    "fp16": "fp16",
    "half": "fp16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "int8": "int8",
    "fp8": "fp8",
    "int4": "int4",
    "fp4": "fp4",
}
_TYPE = re.compile(rf"\b({'|'.join(_WORDS)})\b", re.IGNORECASE)
# Indices, flags, pixels; and what is said of a tensor whose type hangs on a shape.
_NO_PRECISION = re.compile(r"\b(u?int(8|16|32|64)|bool|N/A)\b", re.IGNORECASE)
_ONNX_LAYER = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
# No engine of an image classifier comes near these; what is longer is not searched for patterns.
_MOST_TEXT = 32 << 20
_MOST_LAYERS = 20_000
_LONGEST_NAME = 1 << 16
_FOREIGN = re.compile(r"\{ForeignNode\[(.*)\]\}")


@dataclasses.dataclass(frozen=True)
class BuiltLayer:
    """A layer of a built engine.

    kind: TensorRT's `LayerType`. tactic: the kernel's name, "" where it is not told. nodes: names of the ONNX nodes in
    it. inputs, weights: precision words of what it reads; "" for a type that is no precision, "unknown" for one that is
    not told or not known.
    opaque: True for a region that names only its first and its last node.
    """

    name: str
    kind: str
    tactic: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    weights: str = ""
    opaque: bool = False


def read_layers(text: str) -> list[BuiltLayer]:
    """The layers in an engine's information, in either dialect; DeviceError where it is in neither."""
    if len(text) > _MOST_TEXT:
        raise DeviceError(f"TensorRT's engine inspector gave {len(text)} letters: that is no engine's information.")
    try:
        told = _spelled(json.loads(text))
        if "iotensors" in told or "bindings" in told:
            return [_layer(layer) for layer in _detailed(told)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DeviceError(f"TensorRT's engine inspector gave what cannot be read ({error!r}): {text[:200]}") from error
    raise DeviceError(f"TensorRT's engine inspector gave neither the form of 10.x nor that of 11.x: {text[:200]}")


def precision_word(told: str) -> str:
    """Our word for the type in TensorRT's description of a tensor, "" where that is no precision ("N/A due to dynamic
    shapes", Int32, Bool), "unknown" for a word that is not known.
    """
    found = _TYPE.search(told)
    if found is not None:
        return _WORDS[found[1].lower()]
    return "" if _NO_PRECISION.search(told) else UNKNOWN


def onnx_nodes(name: str, metadata: str) -> tuple[str, ...]:
    """Names of the ONNX nodes in a layer: those that its metadata list, else those that its name is made of
    ("conv1 + relu1", "{ForeignNode[conv1...fc]}").
    """
    listed = _ONNX_LAYER.findall(metadata)
    if listed:
        return tuple(dict.fromkeys(listed))
    foreign = _FOREIGN.search(name)
    if foreign:
        return tuple(foreign[1].split("...")[:2])
    return tuple(part.strip() for part in name.split(" + "))


def _spelled(told: Any) -> dict[str, Any]:
    """An object by the letters of its keys, which versions spell differently: `Datatype`, `DataType`."""
    return {re.sub("[^a-z]", "", key.lower()): value for key, value in told.items()}


def _detailed(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    layers = told["layers"]
    if len(layers) > _MOST_LAYERS:
        raise ValueError(f"{len(layers)} layers")
    if any(not isinstance(layer, Mapping) for layer in layers):
        raise DeviceError(
            "TensorRT's engine inspector gave names alone: the plan was built without detailed verbosity."
        )
    return [_spelled(layer) for layer in layers]


def _layer(layer: Mapping[str, Any]) -> BuiltLayer:
    name, metadata = _bounded(layer["name"]), _bounded(layer.get("metadata") or "")
    return BuiltLayer(
        name=name,
        kind=_bounded(layer["layertype"]),
        tactic=_bounded(layer.get("tacticname") or "", 1 << 12),
        nodes=onnx_nodes(name, metadata),
        inputs=tuple(_tensor_word(tensor) for tensor in layer["inputs"]),
        weights=_weights(layer),
        opaque=not _ONNX_LAYER.search(metadata) and bool(_FOREIGN.search(name)),
    )


def _bounded(text: str, most: int = _LONGEST_NAME) -> str:
    if len(text) > most:
        raise ValueError(f"a name of {len(text)} letters")
    return text


def _tensor_word(tensor: Any) -> str:
    told = _spelled(tensor)
    described = told.get("formatdatatype", told.get("datatype"))
    return precision_word(_bounded(described)) if isinstance(described, str) else UNKNOWN


def _weights(layer: Mapping[str, Any]) -> str:
    """Of a convolution's own entry, else of the largest constant: beside the weights there are biases and factors."""
    weights = layer.get("weights")
    if isinstance(weights, Mapping):
        return precision_word(str(_spelled(weights)["type"]))
    constants = [_spelled(one) for one in layer.get("constants") or ()]
    sizes = [_size(one.get("dimensions") or [1]) for one in constants]
    return _tensor_word(constants[sizes.index(max(sizes))]) if sizes and max(sizes) > 1 else ""


def _size(dimensions: Any) -> int:
    if not isinstance(dimensions, list) or not all(type(extent) is int for extent in dimensions):
        raise TypeError("dimensions that are no whole numbers")
    return math.prod(dimensions)

"""Reads what TensorRT's engine inspector tells of a built engine.

Its JSON has two dialects. 10.x names the outer tensors under `Bindings` and tells a tensor's layout and type in one
text, `Format/Datatype`: "Thirty-two wide channel vectorized row major Int8 format", or "Half" inside a fused region.
11.0 has objects under `I/O Tensors`, and `Format` and `Datatype` apart. Sources: NVIDIA's page "Migrating
IEngineInspector Usage from TensorRT 10.x to 11.x", and the table of formats in its TensorRT Engine Explorer.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.errors import DeviceError

# TensorRT's words for a type -> ours; those that are none of a precision (indices, flags) are left out.
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
_ONNX_LAYER = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_FOREIGN = re.compile(r"\{ForeignNode\[(.*)\]\}")


@dataclasses.dataclass(frozen=True)
class BuiltLayer:
    """A layer of a built engine.

    kind: TensorRT's `LayerType`. tactic: the kernel's name, "" where it is not told. nodes: names of the ONNX nodes in
    it. inputs, weights: precision words of what it reads; "" for a tensor whose type is not told or no precision.
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
    try:
        told = json.loads(text)
        if "I/O Tensors" in told:
            return layers_of_11(told)
        if "Bindings" in told:
            return layers_of_10(told)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeviceError(f"TensorRT's engine inspector gave what cannot be read ({error!r}): {text[:200]}") from error
    raise DeviceError(f"TensorRT's engine inspector gave neither the form of 10.x nor that of 11.x: {text[:200]}")


def layers_of_10(told: Mapping[str, Any]) -> list[BuiltLayer]:
    """The layers as 10.x tells them."""
    return [
        _layer(layer, (precision_word(tensor["Format/Datatype"]) for tensor in layer["Inputs"]))
        for layer in _detailed(told)
    ]


def layers_of_11(told: Mapping[str, Any]) -> list[BuiltLayer]:
    """The layers as 11.x tells them."""
    return [
        _layer(layer, (precision_word(tensor["Datatype"]) for tensor in layer["Inputs"])) for layer in _detailed(told)
    ]


def precision_word(told: str) -> str:
    """Our word for the type in TensorRT's description of a tensor, "" where it names none ("N/A due to dynamic
    shapes", Int32, Bool).
    """
    found = _TYPE.search(told)
    return "" if found is None else _WORDS[found[1].lower()]


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


def _detailed(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = told["Layers"]
    if any(not isinstance(layer, Mapping) for layer in layers):
        raise DeviceError(
            "TensorRT's engine inspector gave names alone: the plan was built without detailed verbosity."
        )
    return list(layers)


def _layer(layer: Mapping[str, Any], inputs: Iterable[str]) -> BuiltLayer:
    name, metadata = layer["Name"], layer.get("Metadata") or ""
    weights = layer.get("Weights")
    return BuiltLayer(
        name=name,
        kind=layer["LayerType"],
        tactic=layer.get("TacticName") or "",
        nodes=onnx_nodes(name, metadata),
        inputs=tuple(inputs),
        weights=precision_word(weights["Type"]) if isinstance(weights, Mapping) else "",
        opaque=not _ONNX_LAYER.search(metadata) and bool(_FOREIGN.search(name)),
    )

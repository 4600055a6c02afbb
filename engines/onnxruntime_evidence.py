"""What ONNX Runtime tells of one inference, as evidence: read beside it, without the onnx package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.engines.evidence import Evidence

_SUFFIX = "_kernel_time"
# The graph is written without its weights, of which names, types and shapes are enough.
WEIGHTS_APART = {
    "session.optimized_model_external_initializers_file_name": "weights.bin",
    "session.optimized_model_external_initializers_min_size_in_bytes": "0",
}


def profile_evidence(profile: Path, graph: Path) -> Evidence:
    """profile: ONNX Runtime's of one inference. graph: ONNX file of what it executed."""
    return {"calls": kernel_calls(profile)}, [np.frombuffer(graph.read_bytes(), np.uint8)]


def kernel_calls(profile: Path) -> list[dict[str, Any]]:
    """The calls of kernels in ONNX Runtime's profile: name of the node, op, provider, type and shape of each input,
    shape of each output.
    """
    return [
        {
            "name": event["name"].removesuffix(_SUFFIX),
            "op": event["args"]["op_name"],
            "provider": event["args"]["provider"],
            "inputs": [next(iter(entry.items())) for entry in event["args"]["input_type_shape"]],
            "outputs": [next(iter(entry.values())) for entry in event["args"]["output_type_shape"]],
        }
        for event in json.loads(profile.read_text(encoding="utf-8"))
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX)
    ]

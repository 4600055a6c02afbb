"""What fell back, as it stands in summary.json: layers, and what they have in common, by their share of the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.results.fallback.rules import UNEXPLAINED


def describe_fallback(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """layers: as in audit.json: name, op, macs, requested, realized, node, reason. None where all run as requested.

    `share` is of the multiply-accumulates of all layers, 0 to 1. `layers`: those that fell back, the largest share
    first. `reasons`: each with the number of its layers and their share, likewise.
    """
    total = sum(layer["macs"] for layer in layers)
    fallen = [layer for layer in layers if layer["realized"] != layer["requested"]]
    if not fallen or not total:
        return None
    described = [
        {
            "name": layer["name"],
            "node": layer.get("node"),
            "op": layer["op"],
            "realized": layer["realized"],
            "macs": layer["macs"],
            "share": layer["macs"] / total,
            "reason": layer.get("reason") or UNEXPLAINED,
        }
        for layer in sorted(fallen, key=lambda layer: -layer["macs"])
    ]
    reasons: dict[str, dict[str, Any]] = {}
    for layer in described:
        entry = reasons.setdefault(layer["reason"], {"reason": layer["reason"], "layers": 0, "macs": 0})
        entry["layers"] += 1
        entry["macs"] += layer["macs"]
    grouped = sorted(reasons.values(), key=lambda entry: -entry["macs"])
    return {
        "share": sum(layer["macs"] for layer in fallen) / total,
        "reasons": [
            {"reason": entry["reason"], "layers": entry["layers"], "share": entry["macs"] / total} for entry in grouped
        ],
        "layers": described,
    }

"""Whether so few images tell anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.results.gate import Check


def enough_images(summary: Mapping[str, Any]) -> Check:
    """Passes from ten images on."""
    images = summary["targets"][0]["conditions"]["clean"]["images"]
    return Check(
        "sample-size", summary["reference"], images >= 10, images, 10, f"{images} images; at least 10 should be"
    )

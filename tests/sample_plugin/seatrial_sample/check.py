"""Whether so few images tell anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.results.check import Check


def enough_images(summary: Mapping[str, Any]) -> Check:
    """Passes from ten images on."""
    images = summary["targets"][0]["conditions"]["clean"]["images"]
    return Check(
        name="sample-size",
        target=summary["reference"],
        answer="pass" if images >= 10 else "fail",
        says=f"{images} images; at least 10 should be",
        measured=images,
        limit=10,
    )

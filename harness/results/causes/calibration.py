"""Calibration images that do not look like those that are tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.harness.findings.pixels import STATISTICS
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.finding import Finding

# In standard deviations: what calibration and test images may differ by.
LIMIT = 0.5
_HINT = 0.25


def least(difference: Mapping[str, Any]) -> float:
    """How large it is beyond doubt."""
    low, high = difference["interval"]
    return max(0.0, float(low), float(-high))


def says(difference: Mapping[str, Any]) -> str:
    """In words: "brightness 0.014 against 0.473, -5.26 standard deviations (-5.65 to -4.87)"."""
    low, high = difference["interval"]
    name = difference["statistic"]
    return (
        f"{STATISTICS.get(name, name)} {difference['first']:.3g} against {difference['second']:.3g}, "
        f"{difference['difference']:+.2f} standard deviations ({low:+.2f} to {high:+.2f})"
    )


def calibration_images(case: Case) -> Iterator[Finding]:
    """They differ beyond doubt; a hint where it is by less than the limit and a target loses accuracy."""
    found = case.evidence.get("calibration")
    if not found or not found["differences"]:
        return
    first = found["differences"][0]
    sure, losing = least(first), bool(case.suspects)
    if sure > LIMIT:
        likelihood = (0.96 if losing else 0.8) if found["trusted"] else 0.45
    elif sure > _HINT and losing:
        likelihood = 0.35
    else:
        return
    yield Finding(
        cause="calibration-images",
        target=None,
        says=f"calibration images are unlike the tested ones: {says(first)}",
        remedy=(
            "Calibrate on images that come the same way as those of the field: same camera, colour order, exposure and "
            "size; a few hundred of all classes, none of them tested."
        ),
        command=case.commands.again("calib", "--calib", "IMAGES"),
        likelihood=likelihood,
        evidence={"differences": found["differences"][:3], "images": found["images"]},
    )

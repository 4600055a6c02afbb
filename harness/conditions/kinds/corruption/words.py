"""How the figures of corruptions are spelled, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.corruption.ids import PREFIX


def corruption_names(conditions: Mapping[str, Any]) -> list[str]:
    """The corruptions among condition ids, in their order."""
    names = (name.removeprefix(PREFIX).rpartition("@")[0] for name in conditions if name.startswith(PREFIX))
    return list(dict.fromkeys(names))


def title(corruption: str) -> str:
    """`gaussian_noise` -> "Gaussian noise".

    >>> title("jpeg_compression")
    'JPEG compression'
    """
    words = corruption.replace("_", " ").replace("jpeg", "JPEG")
    return words[:1].upper() + words[1:]


def cell(condition_id: str) -> tuple[str, str]:
    """`corruption/gaussian_noise@3` -> "Gaussian noise", "severity 3"."""
    name, _, severity = condition_id.removeprefix(PREFIX).rpartition("@")
    return title(name), f"severity {severity}"


def by_severity(conditions: Mapping[str, Any], corruption: str) -> dict[int, Mapping[str, Any]]:
    """Severity -> the figures of one corruption; clean images, if any, are severity 0."""
    found = {0: conditions[CLEAN]} if CLEAN in conditions else {}
    for name, values in conditions.items():
        stem, _, severity = name.rpartition("@")
        if stem == f"{PREFIX}{corruption}":
            found[int(severity)] = values
    return found


def mean_over_severities(conditions: Mapping[str, Any], corruption: str) -> tuple[float, float | None]:
    """Mean top-1 of one corruption over the severities that were run, and mean difference to the reference if it has
    one.
    """
    found = [values for severity, values in by_severity(conditions, corruption).items() if severity]
    top1 = sum(values["top1"] for values in found) / len(found)
    if found[0]["vs_reference"] is None:
        return top1, None
    return top1, sum(values["vs_reference"]["delta"] for values in found) / len(found)


def corruption_error(metrics: Mapping[str, Any]) -> str:
    """The corruption errors that are known: "mCE 76.4 [75.1, 77.7], relative mCE 105.0 [101.2, 108.8],
    mean error 60.50 % [59.40, 61.60]", each with its interval where there is one; a dash for none.
    """
    named = (("mCE", "mce"), ("relative mCE", "relative_mce"), ("mCE against fp32", "mce_vs_reference"))
    known = [f"{name} {metrics[key]:.1f}{_within(metrics, key, 1)}" for name, key in named if metrics[key] is not None]
    if metrics["mean_corruption_error"] is not None:
        mean = f"mean error {metrics['mean_corruption_error']:.2f} %{_within(metrics, 'mean_corruption_error', 2)}"
        known.append(mean)
    return ", ".join(known) or "-"


def _within(metrics: Mapping[str, Any], key: str, digits: int) -> str:
    interval = metrics.get(f"{key}_ci95")
    return "" if interval is None else f" [{', '.join(f'{bound:.{digits}f}' for bound in interval)}]"


def notes(block: Mapping[str, Any] | None) -> list[str]:
    """Which constants and which textures. block: `corruptions` of summary.json."""
    if block is None:
        return []
    found = [f"Corruptions with the severity constants for {block['constants_px']} px."]
    if block["frost_textures"] == "rendered":
        found.append(
            "Frost with rendered textures, like ImageNet-C's photographs in brightness, contrast and spectrum."
        )
    elif block["frost_textures"] is not None:
        found.append("Frost with the photographs of --frost-textures.")
    return found

"""How figures are spelled, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def percent(share: float | None, digits: int = 2) -> str:
    """0.9173 -> "91.73 %"; a dash for None."""
    return "-" if share is None else f"{share * 100:.{digits}f} %"


def points(delta: float | None, interval: tuple[float, float] | list[float] | None = None) -> str:
    """-0.0008 -> "-0.08", in percentage points, with its interval where given; a dash for None."""
    if delta is None:
        return "-"
    text = f"{delta * 100:+.2f}"
    return text if interval is None else f"{text} [{interval[0] * 100:+.2f}, {interval[1] * 100:+.2f}]"


def milliseconds(value: float) -> str:
    """Three significant digits: "0.205", "1.47", "12.3"."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def size(value: int) -> str:
    """Bytes in kB or MB (powers of 1000); a dash for 0."""
    if not value:
        return "-"
    return f"{value / 1e3:.0f} kB" if value < 1e6 else f"{value / 1e6:.1f} MB"


def realized(shares: Mapping[str, float], simulated: bool = False) -> str:
    """{"int8": 0.998, "fp32": 0.002} -> "int8 99.8 %, fp32 0.2 %"; a dash for an engine without layers."""
    spelled = ", ".join(f"{name} {'100' if share == 1 else f'{share * 100:.1f}'} %" for name, share in shares.items())
    return f"simulated in {spelled}" if simulated and spelled else spelled or "-"


def probability(value: float) -> str:
    """A p-value: "0.21", "< 0.001"."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def corruption_names(conditions: Mapping[str, Any]) -> list[str]:
    """The corruptions among condition ids, in their order."""
    names = (
        name.removeprefix("corruption/").rpartition("@")[0] for name in conditions if name.startswith("corruption/")
    )
    return list(dict.fromkeys(names))


def by_severity(conditions: Mapping[str, Any], corruption: str) -> dict[int, Mapping[str, Any]]:
    """Severity -> the figures of one corruption; clean images, if any, are severity 0."""
    found = {0: conditions["clean"]} if "clean" in conditions else {}
    for name, values in conditions.items():
        stem, _, severity = name.rpartition("@")
        if stem == f"corruption/{corruption}":
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


def headline(summary: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """One or two sentences per target: what it costs and what it brings against the reference."""
    parts = []
    clean = target["conditions"].get("clean")
    if clean is not None:
        low, high = clean["vs_reference"]["ci95"]
        chance = "" if low > 0 or high < 0 else ": no significant difference"
        parts.append(
            f"{percent(clean['top1'])} on clean images, {points(clean['vs_reference']['delta'])} points "
            f"(95 % interval {points(low)} to {points(high)}{chance})"
        )
    metrics = target["metrics"]
    if metrics["corruption_top1"] is not None:
        parts.append(
            f"{percent(metrics['corruption_top1'])} on corrupted ones, {points(metrics['corruption_delta'])} points"
        )
    if target.get("simulated"):
        return f"{target['id']}, simulated, scores {' and '.join(parts)}. Its speed says nothing of the precision."
    reference = next(other for other in summary["targets"] if other["id"] == summary["reference"])
    speed = reference["latency"]["single_stream"]["p50_ms"] / target["latency"]["single_stream"]["p50_ms"]
    pace = f"{speed:.2f} times faster" if speed >= 1 else f"{1 / speed:.2f} times slower"
    return f"{target['id']} scores {' and '.join(parts)}. It answers {pace} than fp32."


def corruption_error(metrics: Mapping[str, Any]) -> str:
    """The corruption errors that are known: "mCE 76.4, relative mCE 105.0, mean error 60.5 %"; a dash for none."""
    named = (("mCE", "mce"), ("relative mCE", "relative_mce"), ("mCE against fp32", "mce_vs_reference"))
    known = [f"{name} {metrics[key]:.1f}" for name, key in named if metrics[key] is not None]
    if metrics["mean_corruption_error"] is not None:
        known.append(f"mean error {metrics['mean_corruption_error']:.2f} %")
    return ", ".join(known) or "-"

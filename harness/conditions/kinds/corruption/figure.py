"""Accuracy against severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.curves import Axis, Curve, accuracy_panel
from seatrial.harness.typeset.dots import Dots, accuracy_dots
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.page import Drawing, figure

_MEAN = "Mean of all corruptions"


def corruption_figure(summary: Mapping[str, Any]) -> Markup | None:
    """Curves over the severities; dots where there is but one of them; None without corruptions."""
    targets = summary["targets"]
    names = words.corruption_names(targets[0]["conditions"])
    if not names:
        return None
    severities = {
        severity for name in names for severity in words.by_severity(targets[0]["conditions"], name) if severity
    }
    legend = [target["id"] for target in targets]
    if len(severities) == 1:
        drawing = _at_one_severity(targets, names, severities.pop())
        return figure([drawing], "Top-1 accuracy with 95 % intervals.", legend)
    drawings = [_panel(targets, _MEAN, names), *(_panel(targets, words.title(name), [name]) for name in names)]
    caption = "Top-1 accuracy against severity; 0 is clean. Bars are 95 % intervals; the mean has none here."
    return figure(drawings, caption, legend)


def _panel(targets: Sequence[Mapping[str, Any]], title: str, names: Sequence[str]) -> Drawing:
    """Of one corruption, or of the mean of several."""
    curves, says = [], []
    for index, target in enumerate(targets):
        points = _points(target["conditions"], names)
        if not points:
            continue
        curves.append(Curve(index, points))
        (first, high, _), (last, low, _) = points[0], points[-1]
        says.append(f"{target['id']}: {percent(high, 1)} at {first:g}, {percent(low, 1)} at {last:g}.")
    axis = Axis(range(6), [str(severity) for severity in range(6)], "severity")
    return Drawing(accuracy_panel(title, curves, axis), f"Top-1 by severity: {title}", " ".join(says))


def _points(
    conditions: Mapping[str, Any], names: Sequence[str]
) -> list[tuple[float, float, tuple[float, float] | None]]:
    found = [words.by_severity(conditions, name) for name in names]
    severities = sorted(set.intersection(*(set(values) for values in found)))
    points: list[tuple[float, float, tuple[float, float] | None]] = []
    for severity in severities:
        mean = sum(values[severity]["top1"] for values in found) / len(found)
        span = found[0][severity]["top1_ci95"] if len(found) == 1 else None
        points.append((severity, mean, span and (span[0], span[1])))
    return points


def _at_one_severity(targets: Sequence[Mapping[str, Any]], names: Sequence[str], severity: int) -> Drawing:
    dots, says = [], []
    for index, target in enumerate(targets):
        values: list[tuple[float, float, float] | None] = []
        told = []
        for name in names:
            one = words.by_severity(target["conditions"], name).get(severity)
            values.append(None if one is None else (one["top1"], one["top1_ci95"][0], one["top1_ci95"][1]))
            told += [] if one is None else [f"{words.title(name)} {percent(one['top1'], 1)}"]
        dots.append(Dots(index, values))
        says.append(f"{target['id']}: {', '.join(told)}.")
    svg = accuracy_dots([words.title(name) for name in names], dots)
    return Drawing(svg, f"Top-1 at severity {severity}", " ".join(says))

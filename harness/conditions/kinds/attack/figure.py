"""Accuracy against the strength of an attack: a panel for each attack and way of making its images, a line for each
target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from seatrial.harness.attacks.ids import SOURCE
from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.typeset.curves import Axis, Curve, accuracy_panel
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.page import Drawing, figure

# Target -> eps -> figures of the condition.
_Curves = dict[str, dict[float, Mapping[str, Any]]]
# Attack, way of making its images, what they were made on.
_Asked = tuple[str, str, str | None]


def accuracy_by_strength(block: Mapping[str, Any]) -> Markup | None:
    """Robust accuracy with 95 % intervals, a panel for each attack; None where no attack was run at two strengths.

    block: `attacks` of summary.json. Strengths stand at equal distances, and what lies between two of them is linear,
    as it is for the crossings: those beyond chance are dotted lines in the target's colour.
    """
    panels = _panels(block)
    if not panels:
        return None
    drawings = [_drawing(asked, curves, block["targets"]) for asked, curves in panels.items()]
    names = [f"{name} ({words.masking(target)})" for name, target in block["targets"].items()]
    caption = (
        "Robust accuracy against eps: in 255ths for L∞, else of pixels in 0 to 1; not to scale. Bars are 95 % "
        "intervals. Dotted: where a target passes the reference beyond chance."
    )
    return figure(drawings, caption, names)


def _panels(block: Mapping[str, Any]) -> dict[_Asked, _Curves]:
    """What was asked -> curves; only of attacks with two strengths."""
    files = {target["file"] for target in block["targets"].values()}
    found: dict[_Asked, _Curves] = {}
    for condition, one in block["conditions"].items():
        surrogate = one["surrogate"]
        for name, target in block["targets"].items():
            values = target["conditions"].get(condition)
            if values is None or one["check"]:
                continue
            ways = ["white box"] if values["white_box"] else []
            if surrogate is None:
                ways = ["queries"]
            # Others that do not run this file get its images, too, beside those of their own.
            elif surrogate not in files - {SOURCE} and files != {surrogate}:
                ways.append("transfer")
            for way in ways:
                on = None if way == "white box" else surrogate  # each its own
                found.setdefault((one["attack"], way, on), {}).setdefault(name, {})[one["eps"]] = values
    return {asked: curves for asked, curves in found.items() if max(map(len, curves.values())) > 1}


def _drawing(asked: _Asked, curves: _Curves, targets: Mapping[str, Any]) -> Drawing:
    wanted = dict(zip(("attack", "made", "surrogate"), asked, strict=True))
    strengths = [0.0, *sorted({eps for curve in curves.values() for eps in curve})]
    places = range(len(strengths))
    lines, marks, says = [], [], []
    for index, (name, target) in enumerate(targets.items()):
        curve = curves.get(name)
        if curve is None:
            continue
        # There is no bar on clean images: those stand elsewhere.
        points: list[tuple[float, float, tuple[float, float] | None]] = [(0, target["clean_top1"], None)]
        points += [
            (strengths.index(eps), curve[eps]["top1"], (curve[eps]["top1_ci95"][0], curve[eps]["top1_ci95"][1]))
            for eps in sorted(curve)
        ]
        lines.append(Curve(index, points))
        told = ", ".join(f"{percent(value, 1)} at {strengths[int(place)]:g}" for place, value, _ in points)
        says.append(f"{name}: {told}.")
        for row in target["crossings"]:
            for _, passage in words.passages(row):
                if words.made(row) == words.made(wanted) and words.certain(passage):
                    marks.append((float(np.interp(passage["eps"], strengths, places)), index))
    axis = Axis(list(places), [f"{eps:g}" for eps in strengths], "eps")
    shown = words.panel_title(wanted)
    return Drawing(accuracy_panel(shown, lines, axis, marks), f"Robust accuracy: {shown}", " ".join(says))

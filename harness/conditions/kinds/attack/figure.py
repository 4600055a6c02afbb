"""Accuracy against the strength of an attack: a panel for each attack and way of making its images, a line for each
target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seatrial.harness.attacks.ids import is_quantized_file
from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.typeset.drawings import line_style, svg_text

_COLUMNS = 3
# Target -> eps -> figures of the condition.
_Curves = dict[str, dict[float, Mapping[str, Any]]]


def accuracy_by_strength(block: Mapping[str, Any]) -> str | None:
    """SVG of robust accuracy with 95 % intervals; None where no attack was run at two strengths.

    block: `attacks` of summary.json. Strengths stand at equal distances, and what lies between two of them is linear,
    as it is for the crossings: those beyond chance are dotted lines in the target's colour.
    """
    panels = _panels(block)
    if not panels:
        return None
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.6 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    lines: dict[str, Any] = {}
    for axis, (title, curves) in zip(axes, panels.items(), strict=False):
        lines.update(_draw(axis, title, curves, block["targets"]))
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("eps (in 255ths for L-inf, else of pixels in 0 to 1; not to scale)", fontsize=9)
    figure.supylabel("robust accuracy, %", fontsize=9)
    figure.legend(
        [*lines.values()], [*lines], loc="outside upper center", ncols=min(2, len(lines)), fontsize=9, frameon=False
    )
    return svg_text(figure)


def _panels(block: Mapping[str, Any]) -> dict[str, _Curves]:
    """What was asked, as `attack_words.made` spells it -> curves; only of attacks with two strengths."""
    files = {target["file"] for target in block["targets"].values()}
    found: dict[str, _Curves] = {}
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
            elif not is_quantized_file(surrogate) and files != {surrogate}:
                ways.append("transfer")
            for way in ways:
                title = words.made({"attack": one["attack"], "made": way, "surrogate": surrogate})
                found.setdefault(title, {}).setdefault(name, {})[one["eps"]] = values
    return {title: curves for title, curves in found.items() if max(map(len, curves.values())) > 1}


def _draw(axis: Any, title: str, curves: _Curves, targets: Mapping[str, Any]) -> dict[str, Any]:
    """Legend text -> line."""
    strengths = [0.0, *sorted({eps for curve in curves.values() for eps in curve})]
    places = range(len(strengths))
    lines = {}
    for index, (name, target) in enumerate(targets.items()):
        curve = curves.get(name)
        if curve is None:
            continue
        style = line_style(index)
        at = [0, *(strengths.index(eps) for eps in sorted(curve))]
        top1 = [target["clean_top1"], *(curve[eps]["top1"] for eps in sorted(curve))]
        # There is no bar on clean images: those stand elsewhere.
        spans = [(target["clean_top1"],) * 2, *(curve[eps]["top1_ci95"] for eps in sorted(curve))]
        below = [max(0.0, one - low) * 100 for one, (low, _) in zip(top1, spans, strict=True)]
        above = [max(0.0, high - one) * 100 for one, (_, high) in zip(top1, spans, strict=True)]
        label = f"{name} ({words.masking(target)})"
        lines[label] = axis.errorbar(
            at,
            [one * 100 for one in top1],
            yerr=[below, above],
            markersize=4,
            linewidth=1.4,
            elinewidth=0.8,
            capsize=2,
            **style,
        )
        for row in target["crossings"]:
            for _, passage in words.passages(row):
                if words.made(row) == title and words.certain(passage):
                    place = float(np.interp(passage["eps"], strengths, places))
                    axis.axvline(place, color=style["color"], linestyle=":", linewidth=0.9)
    axis.set_title(title, fontsize=9)
    axis.set_xticks(places, [f"{eps:g}" for eps in strengths], fontsize=8)
    axis.set_ylim(0, 100)
    axis.grid(alpha=0.25)
    return lines

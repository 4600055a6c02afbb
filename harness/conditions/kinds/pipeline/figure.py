"""The worst options of the input pipeline on top of each other, a line for each target: SysNoise's figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.typeset.drawings import line_style, svg_text


def stacked_loss(block: Mapping[str, Any]) -> str | None:
    """Points of top-1 lost against the steps, as SVG; None where nothing was stacked.

    block: `pipeline` of summary.json. A step that a target could not answer has no point. Bars are 95 % intervals.
    """
    stack = block["stack"]
    if not stack:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 1.5 * len(stack) + 2.5), 4.2), layout="constrained")
    axis = figure.subplots()
    for index, (name, target) in enumerate(block["targets"].items()):
        steps = [(0, 0.0, 0.0, 0.0), *_points(target["conditions"], len(stack))]
        places, lost, below, above = (list(column) for column in zip(*steps, strict=True))
        axis.errorbar(
            # Side by side, so that the bars of equal losses are seen.
            [place + 0.04 * (index - (len(block["targets"]) - 1) / 2) for place in places],
            lost,
            yerr=[below, above],
            label=name,
            markersize=5,
            linewidth=1.5,
            elinewidth=0.8,
            capsize=2,
            **line_style(index),
        )
    axis.set_xticks(range(len(stack) + 1), ["clean", *(words.step(ids, "\n") for ids in stack)], fontsize=8)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_ylabel("points of top-1 lost", fontsize=9)
    axis.grid(alpha=0.25)
    figure.legend(loc="outside upper center", ncols=min(3, len(block["targets"])), fontsize=9, frameon=False)
    return svg_text(figure)


def _points(conditions: Mapping[str, Any], steps: int) -> list[tuple[int, float, float, float]]:
    """(step, points lost, distance to the lower and to the upper end of the interval)."""
    found = []
    for step in range(1, steps + 1):
        values = conditions.get(words.combined(step))
        if values is not None:
            low, high = values["ci95"]
            loss = values["loss"]
            # Percentiles of few images may lie on the other side of the estimate by a rounding error.
            found.append((step, loss * 100, max(0.0, loss - low) * 100, max(0.0, high - loss) * 100))
    return found

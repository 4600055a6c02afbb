"""The worst options of the input pipeline on top of each other, a line for each target: SysNoise's figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.typeset.drawings import INK, line_style, panel
from seatrial.harness.typeset.page import Drawing, figure


def stacked_figure(block: Mapping[str, Any]) -> Markup | None:
    """`stacked_loss` with its legend and its words; None where nothing was stacked."""
    svg = stacked_loss(block)
    if svg is None:
        return None
    last = words.combined(len(block["stack"]))
    losses = [
        f"{name} loses {words.lost(target['conditions'][last]['loss'])} points"
        for name, target in block["targets"].items()
        if last in target["conditions"]
    ]
    says = f"With all {len(block['stack'])} steps: {'; '.join(losses)}." if losses else ""
    drawing = Drawing(svg, "Points of top-1 lost from step to step", says)
    return figure(
        [drawing], "Each step adds an option to those before it. Bars are 95 % intervals.", [*block["targets"]]
    )


def stacked_loss(block: Mapping[str, Any]) -> Markup | None:
    """Points of top-1 lost against the steps, as SVG; None where nothing was stacked.

    block: `pipeline` of summary.json. A step that a target could not answer has no point. Bars are 95 % intervals.
    """
    stack = block["stack"]
    if not stack:
        return None
    with panel(max(4.2, 1.1 * len(stack) + 1.6), 3.0) as drawn:
        axis = drawn.axis
        for index, target in enumerate(block["targets"].values()):
            steps = [(0, 0.0, 0.0, 0.0), *_points(target["conditions"], len(stack))]
            places, lost, below, above = (list(column) for column in zip(*steps, strict=True))
            axis.errorbar(
                # Side by side, so that the bars of equal losses are seen.
                [place + 0.04 * (index - (len(block["targets"]) - 1) / 2) for place in places],
                lost,
                yerr=[below, above],
                markersize=5,
                linewidth=1.5,
                elinewidth=0.8,
                capsize=2,
                **line_style(index),
            )
        axis.set_xticks(range(len(stack) + 1), ["clean", *(words.step(ids, "\n") for ids in stack)])
        axis.axhline(0, color=INK, linewidth=0.6)
        axis.set_ylabel("points of top-1 lost")
    return drawn.svg


def _points(conditions: Mapping[str, Any], steps: int) -> list[tuple[int, float, float, float]]:
    """(step, points lost, distance to the lower and to the upper end of the interval)."""
    found = []
    for step in range(1, steps + 1):
        values = conditions.get(words.combined(step))
        if values is not None:
            low, high = values["ci95"]
            loss = values["loss"]
            # An interval may lie on the other side of its estimate by a rounding error.
            found.append((step, loss * 100, max(0.0, loss - low) * 100, max(0.0, high - loss) * 100))
    return found

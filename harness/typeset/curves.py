"""Curves over strengths: one small panel each, a line for each target."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from seatrial.harness.typeset.drawings import line_style, panel


@dataclasses.dataclass(frozen=True)
class Curve:
    """A target's line. index: its place among the targets, which gives its look. points: (place on the axis, value,
    lower and upper end of its 95 % interval or None), shares.
    """

    index: int
    points: Sequence[tuple[float, float, tuple[float, float] | None]]


@dataclasses.dataclass(frozen=True)
class Axis:
    """What stands along the lower side. places and words: of its ticks. says: what it is."""

    places: Sequence[float]
    words: Sequence[str]
    says: str


def accuracy_panel(
    title: str,
    curves: Sequence[Curve],
    axis: Axis,
    marks: Sequence[tuple[float, int]] = (),
    size: tuple[float, float] = (2.9, 2.1),
) -> Markup:
    """SVG of shares in per cent, 0 to 100, with their intervals. marks: (place, index of a target) of upright dotted
    lines. size: in inches.
    """
    with panel(*size) as drawn:
        for curve in curves:
            places, values, below, above = zip(*map(_in_percent, curve.points), strict=True)
            drawn.axis.errorbar(
                places,
                values,
                yerr=[below, above],
                markersize=4,
                linewidth=1.5,
                elinewidth=0.8,
                capsize=2,
                **line_style(curve.index),
            )
        for place, index in marks:
            drawn.axis.axvline(place, color=line_style(index)["color"], linestyle=":", linewidth=1)
        drawn.axis.set_title(title)
        drawn.axis.set_xticks(axis.places, axis.words)
        drawn.axis.set_xlabel(axis.says)
        drawn.axis.set_ylim(0, 100)
        drawn.axis.set_ylabel("%", rotation=0, labelpad=6)
    return drawn.svg


def _in_percent(point: tuple[float, float, tuple[float, float] | None]) -> tuple[float, float, float, float]:
    """Place, value, and how far its interval reaches below and above."""
    place, value, span = point
    low, high = span or (value, value)
    # An interval may lie on the other side of its estimate by a rounding error.
    return place, value * 100, max(0.0, value - low) * 100, max(0.0, high - value) * 100

"""Estimates with their intervals, lying: a line for each thing, a dot for each target."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from seatrial.harness.typeset.drawings import INK, line_style, panel


@dataclasses.dataclass(frozen=True)
class Dots:
    """A target's. index: its place among the targets, which gives its look. values: (estimate, lower and upper end of
    its interval) for each thing, None where there is none.
    """

    index: int
    values: Sequence[tuple[float, float, float] | None]


def accuracy_dots(names: Sequence[str], dots: Sequence[Dots]) -> Markup:
    """SVG of shares, in per cent."""
    return _drawn(names, dots, "top-1, %", None)


def difference_dots(names: Sequence[str], dots: Sequence[Dots], says: str) -> Markup:
    """SVG of differences of shares, in points, around an upright line at 0. says: what they are."""
    return _drawn(names, dots, says, 0.0)


def _drawn(names: Sequence[str], dots: Sequence[Dots], says: str, zero: float | None) -> Markup:
    spread = 0.16 if len(dots) < 5 else 0.6 / len(dots)
    height = 0.8 + len(names) * max(0.22, 0.13 * len(dots))
    with panel(5.6, height) as drawn:
        axis = drawn.axis
        if zero is not None:
            axis.axvline(zero, color=INK, linewidth=0.8)
        for place, one in enumerate(dots):
            shift = spread * (place - (len(dots) - 1) / 2)
            found = [(row + shift, value) for row, value in enumerate(one.values) if value is not None]
            if not found:
                continue
            axis.errorbar(
                [value[0] * 100 for _, value in found],
                [row for row, _ in found],
                xerr=[
                    [max(0.0, value[0] - value[1]) * 100 for _, value in found],
                    [max(0.0, value[2] - value[0]) * 100 for _, value in found],
                ],
                markersize=4,
                elinewidth=1,
                capsize=2,
                **{**line_style(one.index), "linestyle": "none"},
            )
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xlabel(says)
    return drawn.svg

"""The pictograms: what stands on a plate, in unit coordinates scaled by the style."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.harness.demo.pen import Colour, Pen, Point
from seatrial.harness.demo.plates import WHITE, Style


def _number(text: str) -> Callable[[Pen, Style], None]:
    def draw(pen: Pen, style: Style) -> None:
        scale = style.pictogram_scale
        pen.text(text, 1.0 * scale, 0.72 * scale, style.ink)

    return draw


def _nothing(pen: Pen, style: Style) -> None:
    pass


def _stop(pen: Pen, style: Style) -> None:
    scale = style.pictogram_scale
    pen.text("STOP", 1.36 * scale, 0.58 * scale, WHITE)


def _stripes(pen: Pen, style: Style) -> None:
    for offset in (-0.22, 0.0, 0.22):
        reach = 0.58 - abs(offset) * 0.3
        pen.line([(offset - reach, offset + reach), (offset + reach, offset - reach)], 0.09, style.ink)


def _bar(pen: Pen, style: Style) -> None:
    x, y = 0.64 * style.pictogram_scale, 0.17
    pen.polygon([(-x, -y), (x, -y), (x, y), (-x, y)], WHITE)


def _slash(pen: Pen, style: Style) -> None:
    pen.line([(-0.56, -0.56), (0.56, 0.56)], style.border * 0.8, style.red)


def _cross(pen: Pen, style: Style) -> None:
    _slash(pen, style)
    pen.line([(-0.56, 0.56), (0.56, -0.56)], style.border * 0.8, style.red)


def _arrow(pen: Pen, shaft: list[Point], scale: float) -> None:
    """Draw a polyline and a head at its last point, pointing along its last leg (an axis)."""
    shaft = [(x * scale, y * scale) for x, y in shaft]
    (x0, y0), (x1, y1) = shaft[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0))
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    pen.line(shaft, 0.2, WHITE)
    tip, half = 0.34 * scale, 0.34 * scale
    pen.polygon(
        [(x1 + dx * tip, y1 + dy * tip), (x1 - dy * half, y1 + dx * half), (x1 + dy * half, y1 - dx * half)],
        WHITE,
    )


def _arrow_up(pen: Pen, style: Style) -> None:
    _arrow(pen, [(0, 0.6), (0, -0.3)], style.pictogram_scale)


def _arrow_left(pen: Pen, style: Style) -> None:
    _arrow(pen, [(0.32, 0.55), (0.32, -0.15), (-0.3, -0.15)], style.pictogram_scale)


def _arrow_right(pen: Pen, style: Style) -> None:
    _arrow(pen, [(-0.32, 0.55), (-0.32, -0.15), (0.3, -0.15)], style.pictogram_scale)


def _arrows_round(pen: Pen, style: Style) -> None:
    radius = 0.6 * style.pictogram_scale
    middle = radius - 0.09
    # Three arcs, each with a head of its own: corners given for the first and turned by a third.
    cos, sin = -0.5, 0.75**0.5
    head: list[Point] = [(middle - 0.22, -0.02), (middle + 0.22, -0.02), (middle, 0.3)]
    for i in range(3):
        pen.arc((0, 0), radius, 120 * i - 78, 120 * i, 0.18, WHITE)
        pen.polygon(head, WHITE)
        head = [(cos * x - sin * y, sin * x + cos * y) for x, y in head]


def _bicycle(pen: Pen, style: Style) -> None:
    s = style.pictogram_scale

    def line(*points: Point) -> None:
        pen.line([(x * s, y * s) for x, y in points], 0.09, WHITE)

    for x in (-0.42, 0.42):
        pen.ring((x * s, 0.22 * s), 0.31 * s, 0.085, WHITE)
    line((-0.42, 0.22), (-0.18, -0.22), (0.26, -0.22), (0.0, 0.22), (-0.42, 0.22))
    line((0.0, 0.22), (-0.22, -0.34), (-0.34, -0.34))
    line((0.42, 0.22), (0.22, -0.46), (0.42, -0.46))


def _exclamation(pen: Pen, style: Style) -> None:
    s = style.pictogram_scale
    top, bottom = -0.28 * s, 0.24 * s
    pen.polygon([(-0.1 * s, top), (0.1 * s, top), (0.055 * s, bottom), (-0.055 * s, bottom)], style.ink)
    pen.disc((0, 0.4 * s), 0.09 * s, style.ink)


def _figure(pen: Pen, foot: Point, height: float, ink: Colour) -> None:
    """Draw a walking figure; `foot` lies midway between the feet."""

    def line(*points: Point) -> None:
        pen.line([(foot[0] + x * height, foot[1] + y * height) for x, y in points], 0.11 * height, ink)

    pen.disc((foot[0] + 0.04 * height, foot[1] - 0.92 * height), 0.11 * height, ink)
    line((0.02, -0.72), (0.0, -0.42), (0.22, 0.0))
    line((0.0, -0.42), (-0.24, 0.0))
    line((0.02, -0.7), (-0.22, -0.42))
    line((0.02, -0.7), (0.26, -0.46))


def _walker(pen: Pen, style: Style) -> None:
    _figure(pen, (0.0, 0.48), 0.78 * style.pictogram_scale, style.ink)


def _crossroads(pen: Pen, style: Style) -> None:
    s = style.pictogram_scale
    pen.line([(0, -0.22 * s), (0, 0.44 * s)], 0.13, style.ink)
    pen.line([(-0.26 * s, 0.14 * s), (0.26 * s, 0.14 * s)], 0.13, style.ink)


def _zebra(pen: Pen, style: Style) -> None:
    pen.polygon([(0, -0.66), (0.68, 0.6), (-0.68, 0.6)], WHITE)
    _figure(pen, (0.0, 0.42), 0.72 * style.pictogram_scale, style.ink)
    for x in (-0.44, -0.22, 0.0, 0.22, 0.44):
        pen.polygon([(x - 0.07, 0.58), (x + 0.07, 0.58), (x + 0.06, 0.46), (x - 0.06, 0.46)], style.ink)


PICTOGRAMS: dict[str, Callable[[Pen, Style], None]] = {
    "none": _nothing,
    "30": _number("30"),
    "50": _number("50"),
    "80": _number("80"),
    "stop": _stop,
    "stripes": _stripes,
    "bar": _bar,
    "slash": _slash,
    "cross": _cross,
    "arrow_up": _arrow_up,
    "arrow_left": _arrow_left,
    "arrow_right": _arrow_right,
    "arrows_round": _arrows_round,
    "bicycle": _bicycle,
    "exclamation": _exclamation,
    "walker": _walker,
    "crossroads": _crossroads,
    "zebra": _zebra,
}

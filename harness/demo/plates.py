"""The plates: outline and ground of a sign, without its pictogram."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from seatrial.harness.demo.pen import Colour, Pen, Point, regular_polygon

WHITE: Colour = (238, 238, 234)
GREY: Colour = (128, 130, 132)
EDGE = 0.95  # leaves a transparent margin, which antialiases the outline when the face is warped


@dataclass(frozen=True)
class Style:
    """What differs between makers of the same sign: paints, border width and pictogram size."""

    red: Colour
    blue: Colour
    yellow: Colour
    ink: Colour
    border: float
    pictogram_scale: float


STYLES: tuple[Style, ...] = (
    Style((196, 24, 34), (20, 82, 168), (242, 188, 20), (24, 24, 26), 0.20, 1.00),
    Style((178, 30, 30), (28, 70, 140), (232, 172, 30), (36, 34, 34), 0.16, 0.92),
    Style((208, 44, 40), (34, 104, 186), (246, 204, 60), (20, 22, 30), 0.24, 1.05),
    Style((188, 52, 62), (52, 96, 160), (226, 180, 70), (52, 50, 52), 0.18, 0.96),
)


def _disc(pen: Pen, rim: Colour, rim_width: float, ground: Colour) -> None:
    pen.disc((0, 0), EDGE, rim)
    pen.disc((0, 0), EDGE - rim_width, ground)


def _red_ring(pen: Pen, style: Style) -> None:
    _disc(pen, style.red, style.border, WHITE)


def _white_disc(pen: Pen, style: Style) -> None:
    _disc(pen, GREY, 0.04, WHITE)


def _red_disc(pen: Pen, style: Style) -> None:
    _disc(pen, WHITE, 0.05, style.red)


def _blue_red_ring(pen: Pen, style: Style) -> None:
    _disc(pen, style.red, style.border * 0.85, style.blue)


def _blue_disc(pen: Pen, style: Style) -> None:
    _disc(pen, WHITE, 0.05, style.blue)


def _octagon(pen: Pen, style: Style) -> None:
    pen.polygon(regular_polygon(8, EDGE, 22.5), WHITE)
    pen.polygon(regular_polygon(8, EDGE - 0.07, 22.5), style.red)


def _diamond(pen: Pen, style: Style) -> None:
    pen.polygon(regular_polygon(4, EDGE, 0), WHITE)
    pen.polygon(regular_polygon(4, EDGE - style.border * 1.3, 0), style.yellow)


def _triangle(pen: Pen, style: Style, turn: float) -> None:
    # The centroid of a triangle sits off the middle of its bounding box: shift it back.
    shift = -math.sin(math.radians(turn)) * 0.25
    for radius, colour in ((1.06, style.red), (1.06 - style.border * 1.6, WHITE)):
        corners: list[Point] = [(x, y + shift) for x, y in regular_polygon(3, radius, turn)]
        pen.polygon(corners, colour)


def _triangle_up(pen: Pen, style: Style) -> None:
    _triangle(pen, style, -90)


def _triangle_down(pen: Pen, style: Style) -> None:
    _triangle(pen, style, 90)


def _blue_square(pen: Pen, style: Style) -> None:
    side = 0.84
    for half, colour in ((side, WHITE), (side - 0.05, style.blue)):
        pen.polygon([(-half, -half), (half, -half), (half, half), (-half, half)], colour)


PLATES: dict[str, Callable[[Pen, Style], None]] = {
    "red_ring": _red_ring,
    "white_disc": _white_disc,
    "red_disc": _red_disc,
    "blue_red_ring": _blue_red_ring,
    "blue_disc": _blue_disc,
    "octagon": _octagon,
    "diamond": _diamond,
    "triangle_up": _triangle_up,
    "triangle_down": _triangle_down,
    "blue_square": _blue_square,
}

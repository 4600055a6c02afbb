"""A pen on a square RGBA canvas with unit coordinates: x to the right, y down, both in [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Colour = tuple[int, int, int]


class Pen:
    """Draws vector shapes on a transparent canvas of `side` x `side` pixels.

    Shapes are not antialiased: draw large and shrink the canvas afterwards.
    """

    def __init__(self, side: int) -> None:
        """Start with an empty canvas."""
        self.image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._half = side / 2.0

    def _at(self, point: Point) -> Point:
        return (point[0] + 1.0) * self._half, (point[1] + 1.0) * self._half

    def _box(self, centre: Point, radius: float) -> list[Point]:
        x, y = centre
        return [self._at((x - radius, y - radius)), self._at((x + radius, y + radius))]

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(p) for p in points], fill=colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fill a disc."""
        self._draw.ellipse(self._box(centre, radius), fill=colour)

    def ring(self, centre: Point, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle whose line of `width` lies inside `radius`."""
        self._draw.ellipse(self._box(centre, radius), outline=colour, width=round(width * self._half))

    def arc(self, centre: Point, radius: float, start: float, end: float, width: float, colour: Colour) -> None:
        """Draw a part of a ring, angles in degrees clockwise from the x axis."""
        width_px = round(width * self._half)
        self._draw.arc(self._box(centre, radius), start, end, fill=colour, width=width_px)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a polyline with round ends and joints."""
        self._draw.line([self._at(p) for p in points], fill=colour, width=round(width * self._half))
        for point in points:
            self.disc(point, width / 2, colour)

    def text(self, text: str, width: float, height: float, colour: Colour) -> None:
        """Write bold text centred on the canvas and stretched to `width` x `height`."""
        font = ImageFont.load_default(size=self._half * 0.5)
        stroke = max(1, round(self._half * 0.016))
        left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
        mask = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)), 0)
        ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
        size = (round(width * self._half), round(height * self._half))
        corner = (round(self._half - size[0] / 2), round(self._half - size[1] / 2))
        self.image.paste(colour, corner, mask.resize(size, Image.Resampling.BILINEAR))


def regular_polygon(sides: int, radius: float, turn: float) -> list[Point]:
    """Corners of a regular polygon about the origin; `turn` in degrees moves the first corner."""
    angles = [math.radians(turn + 360.0 * i / sides) for i in range(sides)]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]

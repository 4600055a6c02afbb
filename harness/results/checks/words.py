"""How checks spell what they measured."""

from __future__ import annotations

from seatrial.harness.results.check import Answer, Interval


def change(delta: float, interval: Interval) -> str:
    """-0.367, (-0.48, -0.25) -> "-36.70 points (-48.00 to -25.00)"."""
    return f"{delta * 100:+.2f} points ({interval[0] * 100:+.2f} to {interval[1] * 100:+.2f})"


def told(says: str, answer: Answer, images: int, needed: int | None) -> str:
    """A sentence, and where it leaves its question open, what would decide it."""
    return says if answer != "inconclusive" else f"{says}: {more(images, needed)}"


def more(images: int, needed: int | None) -> str:
    """What would decide: "200 images; about 2,300 would decide"."""
    if needed is None:
        return f"{images:,} images; it lies at the limit, as far as can be told"
    digits = max(0, len(str(needed)) - 2)
    return f"{images:,} images; about {round(needed, -digits):,} would decide"

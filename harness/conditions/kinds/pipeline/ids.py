"""Ids of pipeline conditions: `pipeline/FACTOR=OPTION`."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.exporters.contract import CROP_OFFSETS, DECODERS, INTERPOLATIONS, ORIENTATIONS
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.pipeline.color import COLORS
from seatrial.harness.pipeline.numbers import NUMBERS

PREFIX = "pipeline/"
COMBINED = "pipeline/combined"
# In the order in which an image meets them, which is that of tables and of the stack.
FACTORS = ("decode", "orientation", "resize", "rule", "crop", "color", "input", "graph")
RULES = ("exact", "squash-crop", "letterbox")


def known_pipeline_ids() -> list[str]:
    """Every id there is."""
    options: dict[str, Iterable[str]] = {
        "decode": DECODERS,
        "orientation": ORIENTATIONS,
        "resize": INTERPOLATIONS,
        "rule": RULES,
        "crop": CROP_OFFSETS,
        "color": COLORS,
        "input": NUMBERS,
        "graph": REWRITES,
    }
    return [*(f"{PREFIX}{factor}={option}" for factor in FACTORS for option in options[factor]), COMBINED]


def factor_of(condition_id: str) -> str | None:
    """The step that a pipeline condition changes; None for other conditions and for combinations.

    >>> factor_of("pipeline/decode=opencv"), factor_of("pipeline/combined@2"), factor_of("clean")
    ('decode', None, None)
    """
    factor, found, _ = condition_id.removeprefix(PREFIX).partition("=")
    return factor if found and condition_id.startswith(PREFIX) else None

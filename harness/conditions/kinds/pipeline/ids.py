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
_WITH = "+"


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


def combination(decoder: str, interpolation: str) -> str:
    """The id of a decoder and a resize filter together.

    >>> combination("opencv", "opencv-nearest")
    'pipeline/decode=opencv+resize=opencv-nearest'
    """
    return f"{PREFIX}decode={decoder}{_WITH}resize={interpolation}"


def combination_ids() -> list[str]:
    """Of every decoder with every resize filter. A pattern finds them if it has a `+`: there are many."""
    return [combination(decoder, interpolation) for decoder in DECODERS for interpolation in INTERPOLATIONS]


def singles_of(condition_id: str) -> tuple[str, str] | None:
    """The decoder's and the filter's own conditions, of a combination of both; None for other conditions.

    >>> singles_of("pipeline/decode=opencv+resize=opencv-nearest")
    ('pipeline/decode=opencv', 'pipeline/resize=opencv-nearest')
    """
    decode, found, resize = condition_id.removeprefix(PREFIX).partition(_WITH)
    return (f"{PREFIX}{decode}", f"{PREFIX}{resize}") if found and condition_id.startswith(PREFIX) else None


def factor_of(condition_id: str) -> str | None:
    """The step that a pipeline condition changes; None for other conditions and for combinations.

    >>> factor_of("pipeline/decode=opencv"), factor_of("pipeline/combined@2"), factor_of("clean")
    ('decode', None, None)
    >>> factor_of("pipeline/decode=opencv+resize=opencv-nearest")
    """
    factor, found, option = condition_id.removeprefix(PREFIX).partition("=")
    return factor if found and condition_id.startswith(PREFIX) and _WITH not in option else None

"""ImageNet-S of RobustART: decoders and resize filters, each with each."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.pipeline.ids import PREFIX, combination

# RobustART's code (`imagenet_s_gen.py`); its paper adds DALI, which runs on few machines.
DECODERS_S = ("pillow", "opencv", "ffmpeg")
FILTERS_S = (
    "pillow-bilinear",
    "pillow-nearest",
    "pillow-box",
    "pillow-hamming",
    "pillow-bicubic",
    "pillow-lanczos",
    "opencv-nearest",
    "opencv-bilinear",
    "opencv-area",
    "opencv-bicubic",
    "opencv-lanczos4",
)


def setting_ids() -> list[str]:
    """All conditions that the settings may need, each decoder and filter alone first."""
    together = [combination(decoder, one) for decoder in DECODERS_S for one in FILTERS_S]
    return [*map(decode_id, DECODERS_S), *map(filter_id, FILTERS_S), *together]


def decode_id(decoder: str) -> str:
    """The condition of a decoder alone."""
    return f"{PREFIX}decode={decoder}"


def filter_id(interpolation: str) -> str:
    """The condition of a resize filter alone."""
    return f"{PREFIX}resize={interpolation}"


def settings(decoder: str | None, interpolation: str | None) -> Mapping[tuple[str, str], str]:
    """(decoder, filter) -> the condition that is that setting.

    decoder, interpolation: those of clean images; None where these are not decoded, or not resized.

    >>> settings("pillow", "pillow-bilinear")["opencv", "pillow-bilinear"]
    'pipeline/decode=opencv'
    """
    found = {}
    for one in DECODERS_S:
        for other in FILTERS_S:
            if one == decoder and other == interpolation:
                found[one, other] = CLEAN
            elif one == decoder:
                found[one, other] = filter_id(other)
            elif other == interpolation:
                found[one, other] = decode_id(one)
            else:
                found[one, other] = combination(one, other)
    return found

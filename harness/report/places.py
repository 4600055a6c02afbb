"""What two places answer differently, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HERE = "this machine"


def where(target: Mapping[str, Any]) -> str:
    """A target's place, for people. target: as in summary.json."""
    return HERE if target.get("board") is None else f"board {target['board']}"


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """One for each pair: on how many images it differs, and who is right there."""
    return [_sentence(pair) for pair in summary.get("places", ())]


def _sentence(pair: Mapping[str, Any]) -> str:
    both, conditions = f"{pair['first']} and {pair['second']}", pair["conditions"]
    file = "the same file" if pair["same_file"] else "files of their own"
    if not pair["differing"]:
        return f"{both} ({file}) give all {pair['images']:,} answers the same class."
    name, first = next(iter(conditions.items()))
    told = f"{both} ({file}) differ on {counted(first)} ({name})"
    if first["differing"] and first["first_right"] is not None:
        told += (
            f"; there the first alone is right on {first['first_right']}, the second alone on {first['second_right']}"
        )
    if len(conditions) > 1:
        told += f"; over all {len(conditions)} conditions on {counted(pair)}"
    return f"{told}."


def counted(found: Mapping[str, Any]) -> str:
    """As "12 of 10,000 images"."""
    return f"{found['differing']:,} of {found['images']:,} images"

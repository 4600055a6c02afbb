"""What two places answer differently, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.engines import ENGINES

HERE = "this machine"


def where(target: Mapping[str, Any]) -> str:
    """A target's place, for people. target: as in summary.json."""
    board = target.get("board")
    return HERE if board is None else f"{'endpoint' if is_served(target) else 'board'} {board}"


def is_served(target: Mapping[str, Any]) -> bool:
    """True of a target that a server answers for. target: likewise."""
    engine = str(target.get("engine"))
    return engine in ENGINES and ENGINES[engine].served


def asked_from_here(summary: Mapping[str, Any], board: str | None) -> bool:
    """True of a place whose machine is the one that asks, not the one that answers."""
    return any(is_served(target) for target in summary["targets"] if board is not None and target.get("board") == board)


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

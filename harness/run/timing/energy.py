"""Energy for each image: what meters counted over the blocks, less what is drawn while nothing runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.metrics.energy import energy


def energy_of(
    blocks: Sequence[Mapping[str, Any]], images_each: int, idle_watts: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Meter -> what `harness.metrics.energy.Energy` has, JSON values; meters that counted too little are missing.

    blocks: of a target in a scenario, as in timing.json. images_each: of a query. idle_watts: by the meter's name.
    """
    found: dict[str, dict[str, Any]] = {}
    for meter in sorted({name for block in blocks for name in block["counters"]["joules"]}):
        counted = [block for block in blocks if meter in block["counters"]["joules"]]
        joules = sum(block["counters"]["joules"][meter] for block in counted)
        seconds = sum(block["counters"]["wall_s"] for block in counted)
        images = images_each * sum(block["queries"] for block in counted)
        told = energy(joules, seconds, images, idle_watts.get(meter))
        if told is not None:
            found[meter] = told.to_dict()
    return found

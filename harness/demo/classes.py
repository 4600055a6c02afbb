"""The sign classes of the demo data set: one row per class, row number equals class index."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sign:
    """One invented sign: a plate (outline and ground colour) and the pictogram drawn on it."""

    name: str
    plate: str
    pictogram: str


# Families share a plate, so that many classes differ by their pictogram alone.
SIGNS: tuple[Sign, ...] = (
    Sign("limit_30", "red_ring", "30"),
    Sign("limit_50", "red_ring", "50"),
    Sign("limit_80", "red_ring", "80"),
    Sign("limit_end", "white_disc", "stripes"),
    Sign("no_vehicles", "red_ring", "none"),
    Sign("no_entry", "red_disc", "bar"),
    Sign("no_stopping", "blue_red_ring", "cross"),
    Sign("no_parking", "blue_red_ring", "slash"),
    Sign("stop", "octagon", "stop"),
    Sign("yield", "triangle_down", "none"),
    Sign("priority", "diamond", "none"),
    Sign("ahead", "blue_disc", "arrow_up"),
    Sign("turn_left", "blue_disc", "arrow_left"),
    Sign("turn_right", "blue_disc", "arrow_right"),
    Sign("roundabout", "blue_disc", "arrows_round"),
    Sign("bicycles", "blue_disc", "bicycle"),
    Sign("danger", "triangle_up", "exclamation"),
    Sign("pedestrians", "triangle_up", "walker"),
    Sign("crossroads", "triangle_up", "crossroads"),
    Sign("crossing", "blue_square", "zebra"),
)

# The folder names too: the number keeps their sorted order equal to the class index.
DEMO_CLASSES: tuple[str, ...] = tuple(f"{index:02d}_{sign.name}" for index, sign in enumerate(SIGNS))

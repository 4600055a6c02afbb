"""The conditions: clean images and corrupted ones. Later ones register beside them."""

from __future__ import annotations

from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.suites import (
    CLEAN,
    CORRUPTION,
    SUITES,
    CorruptionOptions,
    choose,
    corruption_id,
    known_ids,
    make_condition,
    parse_corruption,
)

__all__ = [
    "CLEAN",
    "CORRUPTION",
    "SUITES",
    "Condition",
    "CorruptionOptions",
    "choose",
    "corruption_id",
    "known_ids",
    "make_condition",
    "parse_corruption",
]

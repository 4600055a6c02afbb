"""The conditions: clean images and corrupted ones. Later ones register beside them."""

from __future__ import annotations

from harness.conditions.condition import Condition, generator
from harness.conditions.suites import CLEAN, SUITES, choose, known_ids, make_condition

__all__ = ["CLEAN", "SUITES", "Condition", "choose", "generator", "known_ids", "make_condition"]

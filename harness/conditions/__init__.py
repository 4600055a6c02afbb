"""The conditions: what happens to images on their way to the engine."""

from __future__ import annotations

import seatrial.harness.conditions.kinds  # noqa: F401  (the kinds register themselves)
from seatrial.harness.conditions.choose import choose, known_ids, make_condition, suites
from seatrial.harness.conditions.condition import CLEAN, Condition
from seatrial.harness.conditions.resolve import resolve

__all__ = ["CLEAN", "Condition", "choose", "known_ids", "make_condition", "resolve", "suites"]

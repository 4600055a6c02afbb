"""The kinds of conditions: a folder each, behind one protocol."""

from __future__ import annotations

from seatrial.harness.conditions.kinds.attack.kind import Attacks
from seatrial.harness.conditions.kinds.clean import Clean
from seatrial.harness.conditions.kinds.corruption.kind import Corruptions
from seatrial.harness.conditions.kinds.pipeline.kind import Pipeline
from seatrial.harness.conditions.kinds.registry import KINDS

for _kind in (Clean(), Corruptions(), Pipeline(), Attacks()):  # the order of reports
    KINDS.register(_kind.name)(_kind)

"""How conditions read the stored images, and which of them share what costs most of it."""

from __future__ import annotations

import dataclasses

from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.pipeline.readings import Reading


def reading_of(condition: Condition, contract: InputContract) -> Reading:
    """How a condition reads the stored images."""
    changed = dataclasses.replace(contract, **dict(condition.contract))
    return Reading(changed, condition.reencode, condition.enlarge)


def pass_of(condition: Condition, contract: InputContract) -> object:
    """The same for conditions whose images are read together: those that decode the stored images alike, every other
    condition alone.
    """
    return reading_of(condition, contract).decoding if condition.from_source else condition.id

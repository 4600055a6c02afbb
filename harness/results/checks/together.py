"""Checks of the mean, target by target: a failure is one among all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from seatrial.harness.metrics.family import holm
from seatrial.harness.metrics.paired import ALPHA
from seatrial.harness.results.check import Check


def together(checks: Sequence[Check]) -> list[Check]:
    """The checks, of which those fail that do so beyond doubt among all that have a `p`: by Holm's procedure at one
    side of 5 %.

    Without it, six targets that lost nothing would make a REGRESSION of one run in twenty. What fails for itself alone
    is inconclusive; what passes has the same interval as ever, since all checks must pass.
    """
    chances = {index: check.p for index, check in enumerate(checks) if check.p is not None}
    beyond = holm(chances, ALPHA / 2)
    return [
        _alone(check, len(chances)) if check.answer == "fail" and index in chances and index not in beyond else check
        for index, check in enumerate(checks)
    ]


def _alone(check: Check, tests: int) -> Check:
    says = f"{check.says}; of {tests} checks one may look so by chance: more images would decide"
    return dataclasses.replace(check, answer="inconclusive", says=says)

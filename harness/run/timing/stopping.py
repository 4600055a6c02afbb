"""When there have been rounds enough, and which of them stand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from seatrial.harness.metrics.disturbance import calm_blocks, enough, felt, seen

Stopped = Literal["narrow", "budget", "asked"]
# Fewer undisturbed rounds do not stand alone: one does not tell what processes differ by, and two tell it so badly that
# Student's t, of one degree of freedom, gives no interval worth the name.
LEAST_KEPT = 3


@dataclasses.dataclass(frozen=True)
class Round:
    """number: from 1. reasons: what disturbed it. kept: its samples stand, but for blocks that are left out: (build id,
    index of the block). blocks: of all targets.
    """

    number: int
    reasons: tuple[str, ...]
    kept: bool
    left_out: frozenset[tuple[str, int]] = frozenset()
    blocks: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "number": self.number,
            "kept": self.kept,
            "reasons": list(self.reasons),
            "blocks": self.blocks,
            "left_out": len(self.left_out),
        }


def judged(blocks: Mapping[int, Sequence[Mapping[str, Any]]]) -> list[Round]:
    """blocks: number of a round -> blocks of all targets, as `takings.of_rounds` gives them. Each round is held against
    all others: a calm one tells what an earlier one lacked.
    """
    found = []
    for number, own in blocks.items():
        others = [block for other, theirs in blocks.items() if other != number for block in theirs]
        calm = calm_blocks(own, others)
        stands = enough(own, calm)
        # What known work tells of the other blocks is no reason where those are left out.
        reasons = seen(own) if stands else (*seen(own), *felt(own, others))
        left_out: frozenset[tuple[str, int]] = frozenset()
        if stands and not reasons:
            noisy = (block for block, quiet in zip(own, calm, strict=True) if not quiet)
            left_out = frozenset((block["target"], block["block"]) for block in noisy)
        found.append(Round(number, reasons, kept=not reasons, left_out=left_out, blocks=len(own)))
    return found


def standing(rounds: Sequence[Round], starts: int) -> list[Round]:
    """Where too few are undisturbed, all of them stand: nothing is drawn from the quietest moments alone, and the
    reasons say what disturbed them.
    """
    if sum(one.kept for one in rounds) >= min(starts, LEAST_KEPT):
        return list(rounds)
    return [dataclasses.replace(one, kept=True, left_out=frozenset()) for one in rounds]


@dataclasses.dataclass
class Budget:
    """seconds: for rounds beyond `starts`. spent: so far. last: seconds of the last round, which tells of the next."""

    starts: int
    seconds: float
    spent: float = 0.0
    last: float = 0.0

    def add(self, number: int, took: float) -> None:
        """After the round of that number."""
        self.last = took
        if number > self.starts:
            self.spent += took

    @property
    def left(self) -> bool:
        """True where one more fits."""
        return self.spent + self.last <= self.seconds


def stopped(rounds: Sequence[Round], budget: Budget, narrow: Callable[[Sequence[Round]], bool]) -> Stopped | None:
    """Why no further round is needed, None where one is. narrow: whether the kept rounds tell closely."""
    if len(rounds) < budget.starts:
        return None
    kept = [one for one in rounds if one.kept]
    if len(kept) >= budget.starts and narrow(kept):
        return "narrow"
    if not budget.seconds:
        return "asked"
    return None if budget.left else "budget"

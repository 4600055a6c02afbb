"""Races: candidates that differ in some factors get the same images, and the losers are dropped early."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from seatrial.exporters import InputContract
from seatrial.harness.contract.answers import Asker
from seatrial.harness.contract.result import Difference, Row, Stage
from seatrial.harness.contract.statistics import (
    less_accurate,
    less_likely,
    levels,
    looks,
    near_chance,
    paired_tail,
)
from seatrial.harness.metrics import mcnemar_exact, paired_interval
from seatrial.harness.progress import Progress, Update

# Chance that the search errs anywhere: that a race drops the truth, or that a right declaration is called wrong.
ALPHA = 0.05
# Races that a search runs at most; they share ALPHA.
_RACES = 4
# One-sided, against the leader: which of the tied scalings may be named.
_NAMED_BELOW = 0.025
# Where no candidate says anything of the labels after so many images, none will.
_FUTILE_IMAGES = 256

SCALING = ("color", "numbers")


class Races:
    """Runs races over the images of an Asker. compared: how many candidates all races have together."""

    def __init__(self, asker: Asker, images: int, compared: int, progress: Progress) -> None:
        self.asker, self.images, self.compared = asker, images, compared
        self._progress = progress

    def race(
        self,
        name: str,
        factors: tuple[str, ...],
        contestants: Sequence[InputContract],
        preferred: InputContract | None,
    ) -> Stage:
        """One race. It ends when one is left or the images end; `preferred` is named unless it lost.

        factors: in which the contestants differ. Colour order and numbers are compared by likelihood, the image side
        by accuracy (see `statistics`).
        """
        alive, leader = list(contestants), contestants[0]
        steps = looks(self.images)
        strict = levels(ALPHA / _RACES, len(contestants) - 1, len(steps))
        with self._progress.stage(f"Trying {name}", len(contestants) * self.images, "answers") as update:
            told = _Told(update, len(contestants), self.images)
            for look, level in zip(steps, strict, strict=True):
                self.asker.ask(alive, look, functools.partial(told.asking, len(alive)))
                told.asked(len(alive), look)
                alive, leader = self._drop(alive, level, by_likelihood=factors == SCALING)
                if len(alive) == 1 or (look >= _FUTILE_IMAGES and self.at_chance(alive)):
                    break
            told.over(len(alive))
        named = preferred if preferred in alive else None
        if named is None:
            named = self._likely(alive, leader) if factors == SCALING else alive[0]
        rows = tuple(self._row(contract, named, tied=contract in alive) for contract in contestants)
        return Stage(name, factors, rows, named)

    def at_chance(self, contracts: Sequence[InputContract]) -> bool:
        """True where none of them says anything of the labels."""
        found = (self.asker.answers[contract].correct for contract in contracts)
        level = ALPHA / self.compared
        return all(near_chance(int(right.sum()), self.asker.labels[: len(right)], level=level) for right in found)

    def difference(self, first: InputContract, second: InputContract) -> Difference:
        """Second minus first, on the images that both were given."""
        one, other = self.asker.answers[first], self.asker.answers[second]
        shared = min(one.count, other.count)
        before, after = one.correct[:shared], other.correct[:shared]
        worse, better = int((before & ~after).sum()), int((after & ~before).sum())
        level = ALPHA / self.compared
        return Difference(
            images=shared,
            first_correct=int(before.sum()),
            second_correct=int(after.sum()),
            interval=paired_interval(worse, better, shared, level),
            mcnemar_p=mcnemar_exact(worse, better),
            likelihood=float(other.score()[:shared].mean() - one.score()[:shared].mean()),
            likelihood_p=min(1.0, 2 * min(self._tail(first, second), self._tail(second, first))),
            level=level,
        )

    def _drop(
        self, alive: Sequence[InputContract], level: float, *, by_likelihood: bool
    ) -> tuple[list[InputContract], InputContract]:
        answers = [self.asker.answers[contract] for contract in alive]
        shared = min(one.count for one in answers)  # an earlier race may have taken some further
        compare = less_likely if by_likelihood else less_accurate
        scores, correct = [one.score()[:shared] for one in answers], [one.correct[:shared] for one in answers]
        leader, losers = compare(scores, correct, level)
        return [contract for index, contract in enumerate(alive) if index not in losers], alive[leader]

    def _likely(self, alive: Sequence[InputContract], leader: InputContract) -> InputContract:
        """The most customary one of those within the usual 95 % of the leader."""
        return next(contract for contract in alive if self._tail(leader, contract) >= _NAMED_BELOW)

    def _tail(self, one: InputContract, other: InputContract) -> float:
        """One-sided p-value that the first is not better by likelihood, on the images that both were given."""
        first, second = self.asker.answers[one].score(), self.asker.answers[other].score()
        shared = min(len(first), len(second))
        return paired_tail(first[:shared], second[:shared])

    def _row(self, contract: InputContract, named: InputContract, *, tied: bool) -> Row:
        answers = self.asker.answers[contract]
        confidence = answers.confidence
        return Row(
            contract=contract,
            images=answers.count,
            correct=int(answers.correct.sum()),
            log_likelihood=float(answers.score().mean()),
            temperature=1 / confidence if confidence else None,
            tied=tied,
            difference=self.difference(named, contract),
        )


class _Told:
    """Tells how far a race is: so many answers, as if nobody else were dropped."""

    def __init__(self, update: Update, contestants: int, images: int) -> None:
        self._update, self._contestants, self._images = update, contestants, images
        self._answers = self._seen = 0

    def asking(self, alive: int, images: int) -> None:
        """These are asked about images up to this one."""
        left = self._answers + alive * (self._images - self._seen)
        self._tell(self._answers + alive * (images - self._seen), left, alive)

    def asked(self, alive: int, images: int) -> None:
        """These were asked about images up to this one."""
        self._answers += alive * (images - self._seen)
        self._seen = images

    def over(self, alive: int) -> None:
        """None is asked any more."""
        self._tell(self._answers, self._answers, alive)

    def _tell(self, done: int, total: int, alive: int) -> None:
        self._update(done, f"{alive} of {self._contestants} left", total)

"""What targets and surrogates say of adversarial images, read once and kept as one bit for each image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.ids import is_attack, parse_attack
from seatrial.harness.attacks.rows import AttackRows
from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.records.predictions import Predictions

Correct = npt.NDArray[np.bool_]
Answers = Mapping[str, Mapping[str, Predictions]]
ReadRows = Callable[[str, str], AttackRows]


@dataclasses.dataclass(frozen=True)
class Attacked:
    """One target. name: its id. file: the surrogate that it runs itself. clean: bool [N], right without attack.
    correct: condition id -> bool [N], right about the adversarial image, in the run's order. rows: condition id -> what
    is known of the images.
    """

    name: str
    file: str
    clean: Correct
    correct: dict[str, Correct]
    rows: dict[str, AttackRows]

    def ids(self, name: str | None = None, surrogate: str | None = None) -> list[str]:
        """The conditions of an attack (any for None) that were made on `surrogate`; None for black-box ones."""
        found = {one: parse_attack(one) for one in self.correct}
        return [one for one, what in found.items() if what.surrogate == surrogate and name in (None, what.name)]

    def by_eps(self, name: str, surrogate: str | None) -> dict[float, str]:
        """eps, ascending -> condition id."""
        found = {parse_attack(one).eps: one for one in self.ids(name, surrogate)}
        return dict(sorted(found.items()))

    @property
    def white_box(self) -> list[str]:
        """The conditions that were made on its own file."""
        return self.ids(surrogate=self.file)


def gather(answers: Answers, rows: ReadRows, reference: str, files: Mapping[str, str]) -> dict[str, Attacked]:
    """Target id -> what is known of it, condition by condition; each file of rows is read once.

    Images that were made on a surrogate are the same for all targets, and so is what is known of them.
    """
    found = {
        target: Attacked(target, files[target], np.array(rows_of[CLEAN].correct), {}, {})
        for target, rows_of in answers.items()
    }
    for condition in _attacks(answers, reference):
        shared = None if parse_attack(condition).surrogate is None else rows(reference, condition)
        for target, rows_of in answers.items():
            if condition in rows_of:
                found[target].correct[condition] = np.array(rows_of[condition].correct)
                found[target].rows[condition] = rows(target, condition) if shared is None else shared
    return found


def _attacks(answers: Answers, reference: str) -> list[str]:
    """In the order of the run; those that the reference did not answer are at the end."""
    names = [name for target in (reference, *answers) for name in answers[target] if is_attack(name)]
    return list(dict.fromkeys(names))

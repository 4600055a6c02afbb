"""What "robust to attacks" may mean: the images that a target was asked about, in several ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.ids import SOURCE, STRENGTH_WORDS, AttackId
from seatrial.harness.attacks.strengths import study_strengths
from seatrial.harness.attacks.studies import ROBUSTMQ_ATTACKS
from seatrial.harness.results.studies.rows import Row

OWN, TRANSFER, QUERIES = "own", "transfer", "queries"
_SQUARES = ("square-linf", "square-l2")
# Way, attack, strength.
_Key = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Reading:
    """id, says: its name, and in words. ways: whose images count. worst: all of a strength at once, image by image,
    else their mean. least: as many of the ways are needed.
    """

    id: str
    says: str
    ways: tuple[str, ...]
    worst: bool
    least: int = 1


READINGS = (
    Reading("published", "each attack by itself, with the target's own gradients", (OWN,), worst=False),
    Reading("own", "the worst attack with the target's own gradients", (OWN,), worst=True),
    Reading("transfer", "images made on the float model", (TRANSFER,), worst=False),
    Reading("queries", "images found by queries", (QUERIES,), worst=False),
    Reading("worst", "the worst of own gradients, transfer and queries", (OWN, TRANSFER, QUERIES), worst=True, least=2),
)


def left(rows: Sequence[Row], reading: Reading) -> dict[str, npt.NDArray[np.float64]]:
    """Target -> float64 [N], how far each image stays right: the mean over attacks, or over strengths of the worst.

    Only what all of them were asked is taken; a target without any of the reading's images is left out.
    """
    asked = {row.target: keyed(row, reading.ways) for row in rows}
    asked = {name: keys for name, keys in asked.items() if len({way for way, _, _ in keys}) >= reading.least}
    if not asked:
        return {}
    common = [key for key in next(iter(asked.values())) if all(key in keys for keys in asked.values())]
    if len({way for way, _, _ in common}) < reading.least:
        return {}
    found = {}
    for row in rows:
        if row.target in asked:
            found[row.target] = _averaged(row, asked[row.target], common, worst=reading.worst)
    return found


def keyed(row: Row, ways: Sequence[str] = (OWN, TRANSFER, QUERIES)) -> dict[_Key, str]:
    """(way, attack, small, mid or large) -> condition: RobustMQ's attacks at its strengths, and Square's."""
    found: dict[_Key, str] = {}
    for condition, attack in row.attacks.items():
        level = level_of(attack, row.values)
        if level is None:
            continue
        if attack.name in _SQUARES:
            found[QUERIES, attack.name, level] = condition
        elif attack.name in ROBUSTMQ_ATTACKS:
            if attack.surrogate == row.file:
                found[OWN, attack.name, level] = condition
            if attack.surrogate == SOURCE:
                found[TRANSFER, attack.name, level] = condition
    return {key: name for key, name in found.items() if key[0] in ways}


def level_of(attack: AttackId, values: int) -> str | None:
    """`small`, `mid` or `large` for images of so many values; None for other strengths."""
    levels = dict(zip(study_strengths(attack.kind.norm, values), STRENGTH_WORDS, strict=True))
    return levels.get(attack.eps)


def levels_of(keys: Mapping[_Key, str] | Sequence[_Key]) -> list[str]:
    """The strengths among them, in order."""
    return [level for level in STRENGTH_WORDS if any(key[2] == level for key in keys)]


def _averaged(
    row: Row, conditions: Mapping[_Key, str], keys: Sequence[_Key], *, worst: bool
) -> npt.NDArray[np.float64]:
    if not worst:
        groups = [[key] for key in keys]
    else:
        groups = [[key for key in keys if key[2] == level] for level in levels_of(keys)]
    total = np.zeros(len(row.clean))
    for group in groups:
        total += np.logical_and.reduce([row.right[conditions[key]] for key in group])
    return total / len(groups)

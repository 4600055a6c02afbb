"""Gorsline, Smith and Merkel (arXiv 2105.00227): accuracy against the strength of gradient attacks, by bit-width."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seatrial.harness.attacks.studies import MERKEL_ATTACKS
from seatrial.harness.metrics.accuracy import accuracy, wilson_interval
from seatrial.harness.metrics.contrast import share_contrast
from seatrial.harness.metrics.crossing import Crossing, Passage, crossing
from seatrial.harness.metrics.family import holm
from seatrial.harness.metrics.paired import ALPHA
from seatrial.harness.results.studies.claim import FAILS, HOLDS, LEAST, UNKNOWN, Claim, Part
from seatrial.harness.results.studies.rows import Correct, Row, series_of, spelled

SOURCE = "Gorsline, Smith and Merkel, arXiv 2105.00227"
SENTENCE = "Quantization can improve or degrade robustness to simple gradient attacks, depending on their strength"


@dataclasses.dataclass(frozen=True)
class Pair:
    """A target against another under one attack, with each one's own gradients."""

    attack: str
    row: Row
    other: Row
    curves: Crossing

    def passages(self) -> Iterator[tuple[str, Passage, float]]:
        """Direction, where, and the p-value that the signs on its two sides are what they look like: the larger one of
        the two sides, each the least of its strengths times their number (Bonferroni).
        """
        for direction, passage, before in (("upward", self.curves.upward, -1), ("downward", self.curves.downward, 1)):
            if passage.eps is not None:
                sides = (self._least(passage.eps, before, below=True), self._least(passage.eps, -before, below=False))
                yield direction, passage, max(sides)

    def _least(self, place: float, sign: int, *, below: bool) -> float:
        found = [
            p
            for eps, difference, p in zip(self.curves.eps, self.curves.differences, self.curves.p, strict=True)
            if difference * sign > 0 and (eps < place) == below
        ]
        return min(1.0, min(found, default=1.0) * len(self.curves.eps))


def curves(row: Row, attack: str) -> dict[float, Correct]:
    """eps, ascending from 0 for clean images -> bool [N], with the target's own gradients."""
    found = {one.eps: name for name, one in row.attacks.items() if one.name == attack and one.surrogate == row.file}
    return {0.0: row.clean, **{eps: row.right[found[eps]] for eps in sorted(found)}}


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """JSON values, a row for each target: accuracy at each strength, and where it crosses others."""
    pairs = pairs_of(rows)
    return [
        {
            "target": row.target,
            "method": row.method,
            "bits": list(row.bits),
            "quantized": row.quantized,
            "images": len(row.clean),
            "masking": row.masking,
            "guesses": row.guesses,
            "curves": [_curve(row, attack) for attack in MERKEL_ATTACKS if len(curves(row, attack)) > 1],
            "crossings": [one for pair in pairs if pair.row is row for one in _crossings(pair)],
        }
        for row in rows
    ]


def pairs_of(rows: Sequence[Row]) -> list[Pair]:
    """Every quantized target against the reference, which comes first of the rows, and against the next more bits of
    its series; under each attack that was run on both at two strengths or more.
    """
    found = []
    for members in series_of(rows).values():
        for place, row in enumerate(members):
            others = [rows[0], *(one for one in members[max(0, place - 1) : place] if one.width != row.width)]
            for attack in MERKEL_ATTACKS:
                for other in others:
                    own, base = curves(row, attack), curves(other, attack)
                    common = [eps for eps in own if eps in base]
                    if len(common) > 2:
                        crossed = crossing(common, [own[eps] for eps in common], [base[eps] for eps in common])
                        found.append(Pair(attack, row, other, crossed))
    return found


def claims(rows: Sequence[Row]) -> list[Claim]:
    """It holds where some target's curve crosses float's with both signs beyond chance, at 5 % for all targets, attacks
    and directions together (Holm). It does not hold where no target can have both: at every strength of every attack
    one of the two signs is ruled out to more than a point. The interval of eps* is that of `metrics.crossing`.
    """
    pairs = [pair for pair in pairs_of(rows) if pair.other is rows[0]]
    if not pairs:
        why = "The run has no quantized target, not guessing, attacked at two strengths with its own gradients."
        return [Claim("strength", SENTENCE, SOURCE, UNKNOWN, "eps*", why=why, unit="255ths")]
    tests = {
        (pair.row.target, pair.attack, direction): (p, passage, pair)
        for pair in pairs
        for direction, passage, p in pair.passages()
    }
    sure = holm({name: p for name, (p, _, _) in tests.items()}, ALPHA)
    parts = [_part(row, [pair for pair in pairs if pair.row is row], sure, tests) for row in _rows(pairs)]
    found = HOLDS if sure else FAILS if all(_one_sided(pair) for pair in pairs) else UNKNOWN
    decides = min(sure or tests, key=lambda name: tests[name][0], default=None)
    masked = [row.target for row in _rows(pairs) if row.masking == "fail"]
    told = [f"{len(pairs)} curves of {len(parts)} targets against float, with each one's own gradients."]
    if decides is not None:
        pair = tests[decides][2]
        verb = "passes" if decides[2] == "upward" else "falls below"
        told.insert(0, f"{pair.row.target} {verb} float under {pair.attack}.")
    if found == UNKNOWN:
        told.append("No crossing is beyond chance on both sides, and none is ruled out: more images would tell.")
    chosen = None if decides is None or found == FAILS else tests[decides][1]
    return [
        Claim(
            "strength",
            SENTENCE,
            SOURCE,
            found,
            "eps*",
            None if chosen is None else chosen.eps,
            None if chosen is None else chosen.ci95,
            " ".join(told),
            f"Gradients may be masked at {', '.join(masked)}: what looks robust there may not be."
            if masked and found == HOLDS
            else "",
            parts if len(parts) > 1 else [],
            unit="255ths",
        )
    ]


def _rows(pairs: Sequence[Pair]) -> list[Row]:
    return list({pair.row.target: pair.row for pair in pairs}.values())


def _part(row: Row, pairs: Sequence[Pair], sure: set[tuple[str, str, str]], tests: dict[Any, Any]) -> Part:
    own = [name for name in tests if name[0] == row.target]
    best = min([name for name in own if name in sure] or own, key=lambda name: tests[name][0], default=None)
    found = HOLDS if best in sure else FAILS if all(_one_sided(pair) for pair in pairs) else UNKNOWN
    name = f"{row.series} {spelled(row.bits)}"
    if best is None or found == FAILS:
        return Part(name, found, None, None)
    return Part(name, found, tests[best][1].eps, tests[best][1].ci95)


def _one_sided(pair: Pair) -> bool:
    """Whether one of the signs is ruled out at all strengths, to more than `LEAST`."""
    own, base = curves(pair.row, pair.attack), curves(pair.other, pair.attack)
    each = [share_contrast([1, -1], [own[eps], base[eps]]) for eps in pair.curves.eps]
    never_better = all(one.p_at_least(LEAST) < ALPHA / 2 for one in each)
    never_worse = all(one.p_at_most(-LEAST) < ALPHA / 2 for one in each)
    return never_better or never_worse


def _curve(row: Row, attack: str) -> dict[str, Any]:
    found = curves(row, attack)
    return {
        "attack": attack,
        "eps": list(found),
        "top1": [accuracy(one) for one in found.values()],
        "ci95": [list(wilson_interval(int(np.count_nonzero(one)), len(one))) for one in found.values()],
    }


def _crossings(pair: Pair) -> list[dict[str, Any]]:
    return [
        {
            "attack": pair.attack,
            "against": pair.other.target,
            "bits": list(pair.other.bits),
            "direction": direction,
            "eps": passage.eps,
            "ci95": None if passage.ci95 is None else list(passage.ci95),
            "p": p,
        }
        for direction, passage, p in pair.passages()
    ]

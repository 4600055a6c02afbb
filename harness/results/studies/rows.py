"""The rows of a study: the targets of a run, by quantization method and bit-width."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.precision import bits_of, is_quantized
from seatrial.harness.attacks.ids import AttackId, is_attack, parse_attack
from seatrial.harness.attacks.strengths import PAPER_VALUES
from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.protocol import Right
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.spec.targets import TargetSpec

Correct = npt.NDArray[np.bool_]

FLOAT, OWN_FILES = "float", "PTQ"
# What variants are named by their bits: `lsq-w4a4` is of the method `lsq`.
_BITS = re.compile(r"-w\d+(a\d+)?$")


@dataclasses.dataclass(frozen=True)
class Row:
    """A target. method: how it was quantized, for people. bits: of weights and activations, None where these are float.
    file: the surrogate that is its own file, None where nothing was attacked. masking: the verdict on its gradients.
    guesses: on clean images it is not right more often than who always names the commonest class. right: by condition.
    values: how many an image has.
    """

    target: str
    method: str
    bits: tuple[int, int | None]
    quantized: bool
    right: Right
    file: str | None = None
    masking: str | None = None
    guesses: bool = False
    values: int = PAPER_VALUES

    @functools.cached_property
    def attacks(self) -> dict[str, AttackId]:
        """The conditions that are attacks, taken apart."""
        return {name: parse_attack(name) for name in self.right if is_attack(name)}

    @property
    def clean(self) -> Correct:
        """bool [N]."""
        return self.right[CLEAN]

    @property
    def series(self) -> str:
        """The rows that differ in their bits alone: of one method, activations quantized or not."""
        return f"{self.method}, weights only" if self.bits[1] is None else self.method

    @property
    def width(self) -> int | None:
        """Its place among the bit-widths of its series; None where weights and activations have other ones."""
        weights, activations = self.bits
        return weights if activations in (None, weights) else None


def method_of(target: TargetSpec) -> str:
    """`lsq` of the variant `lsq-w4a4`; of the tested model `float`, or `PTQ` for what was quantized from it."""
    if target.variant is not None:
        return _BITS.sub("", target.variant)
    return OWN_FILES if is_quantized(target.precision) else FLOAT


def rows_of(
    targets: Sequence[TargetSpec],
    right: Mapping[str, Right],
    labels: npt.NDArray[np.int32],
    attacks: Any,
    values: int = PAPER_VALUES,
) -> list[Row]:
    """Those of the targets that answered clean images. right: target id -> what it gets right; labels: int32 [N].
    attacks: the block `attacks` of summary.json, or None. values: how many an image has.
    """
    common = labels == np.bincount(labels).argmax()
    found = []
    for target in targets:
        if CLEAN not in right.get(target.id, ()):
            continue
        attacked = (attacks or {"targets": {}})["targets"].get(target.id)
        found.append(
            Row(
                target.id,
                method_of(target),
                bits_of(target.precision),
                is_quantized(target.precision),
                right[target.id],
                file=attacked and attacked["file"],
                masking=attacked and attacked["masking"]["verdict"],
                guesses=guesses(right[target.id][CLEAN], common),
                values=values,
            )
        )
    return found


def guesses(correct: Correct, common: Correct) -> bool:
    """Whether its answers may be no better than always naming the commonest class, whose images are `common`."""
    return Differences.of(correct.astype(np.int8) - common.astype(np.int8)).interval()[0] <= 0


def series_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Series -> its quantized rows, from many bits to few; without those of unequal bits, and those that guess."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.quantized and row.width is not None and not row.guesses:
            found.setdefault(row.series, []).append(row)
    return {name: sorted(members, key=lambda row: -(row.width or 0)) for name, members in found.items()}


def spelled(bits: Sequence[int | None]) -> str:
    """`4/4`; `4/32` where activations are float.

    >>> spelled((4, None))
    '4/32'
    """
    return f"{bits[0]}/{bits[1] or 32}"

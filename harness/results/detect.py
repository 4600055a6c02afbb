"""How many images a run needs: what loss they tell from none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seatrial.engines.precision import FLOAT_PRECISIONS, simulated_bits
from seatrial.harness.conditions import CLEAN
from seatrial.harness.metrics.needed import images_to_detect
from seatrial.harness.metrics.paired import ALPHA
from seatrial.harness.results.baseline.pairing import Pairing, at
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

POWER = 0.9
# Shares of images whose answer turns right or wrong, where no run tells: cautious ones, to plan with.
_FLOAT, _EIGHT_BIT, _FEWER = 0.005, 0.02, 0.06


@dataclasses.dataclass(frozen=True)
class Need:
    """Of one target. churn: share of the images that flip; measured: by a run, not assumed. images: that tell the loss
    from none on clean images; among_many: that tell it under one of the run's conditions, beyond doubt among all of
    them. None for more than can be named.
    """

    target: str
    churn: float
    measured: bool
    images: int | None
    among_many: int | None


def needs(loss: float, targets: Sequence[TargetSpec], conditions: int, known: StoredRun | None) -> list[Need]:
    """For each target but the reference. loss: 0 to 1. conditions: how many the run judges. known: a run that tells how
    many images flip, under clean images.
    """
    compared = [target for target in targets if target != REFERENCE]
    tests = max(1, conditions * len(compared))
    found = []
    for target in compared:
        measured = None if known is None else _measured(known, target.id)
        churn = _assumed(target.precision) if measured is None else measured
        found.append(
            Need(
                target.id,
                churn,
                measured is not None,
                images_to_detect(loss, churn, power=POWER),
                images_to_detect(loss, churn, power=POWER, alpha=ALPHA / tests),
            )
        )
    return found


def known_run(baseline: Path | None, out: Path | None) -> StoredRun | None:
    """The run that may tell: the baseline, else what lies in the run directory."""
    if baseline is not None:
        return StoredRun(baseline, "--baseline")
    if out is not None and (out / "run.json").is_file() and any((out / "trials").glob("[!.]*.parquet")):
        return StoredRun(out, "--out")
    return None


def _measured(known: StoredRun, target: str) -> float | None:
    if not {(target, CLEAN), (REFERENCE.id, CLEAN)} <= known.trials.keys():
        return None
    (ids, rows), (others, base) = known.read(target, CLEAN), known.read(REFERENCE.id, CLEAN)
    places, other_places = Pairing().places(ids, others)
    flips = int(np.count_nonzero(at(rows, places).correct != at(base, other_places).correct))
    return (flips + 1) / (len(places) + 2)  # a run of few images without any says little


def _assumed(precision: str) -> float:
    if precision in FLOAT_PRECISIONS:
        return _FLOAT
    eight = precision in ("fp8", "int8") or simulated_bits(precision) == (8, 8)
    return _EIGHT_BIT if eight else _FEWER

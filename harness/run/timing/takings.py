"""What was taken of one target in one scenario: blocks of queries, as rows of samples and as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from seatrial.engines.timing.block import Timed
from seatrial.harness.records.latencies import Samples, concatenate


@dataclasses.dataclass(frozen=True)
class Taking:
    """One block. round: from 1. begin_ns: since the scenario began. setting: as in "rate=120.5"."""

    round: int
    begin_ns: int
    timed: Timed
    setting: str = ""

    @property
    def seconds(self) -> float:
        """The sum of its queries' times: what they take where one follows the other."""
        return float(self.timed.taken.sum()) / 1e9


def samples_of(takings: Sequence[Taking], kept: Collection[int], left_out: Collection[int] = ()) -> Samples:
    """All queries, in the order taken. kept: numbers of the rounds that are. left_out: indices of blocks that are not
    all the same: they were disturbed, or looked for something. ValueError for no blocks.
    """
    return concatenate(
        [_rows(one, index, one.round in kept and index not in left_out) for index, one in enumerate(takings)]
    )


def entry_of(takings: Sequence[Taking]) -> dict[str, Any]:
    """`blocks`, and of all of them `checked`, `wrong` and `worst` as of `Timed`; what is infinite is null."""
    worst = max((one.timed.worst for one in takings), default=0.0)
    return {
        "blocks": [block_of(one, index) for index, one in enumerate(takings)],
        "checked": sum(one.timed.checked for one in takings),
        "wrong": sum(one.timed.wrong for one in takings),
        "worst": worst if np.isfinite(worst) else None,
    }


def block_of(taking: Taking, index: int) -> dict[str, Any]:
    """JSON values of one block; index: of the target's blocks in the scenario."""
    timed = taking.timed
    return {
        "round": taking.round,
        "block": index,
        "queries": len(timed.taken),
        "begin_s": taking.begin_ns / 1e9,
        "median_ns": float(np.median(timed.taken)) if len(timed.taken) else None,
        "checked": timed.checked,
        "wrong": timed.wrong,
        **({"setting": taking.setting} if taking.setting else {}),
        "counters": timed.counters.to_dict(),
    }


def of_rounds(found: Mapping[str, Sequence[Taking]], number: int) -> list[dict[str, Any]]:
    """The blocks of one round, of all targets, as JSON values, each with its `target`."""
    return [
        {"target": name, **block_of(one, index)}
        for name, takings in found.items()
        for index, one in enumerate(takings)
        if one.round == number
    ]


def _rows(taking: Taking, index: int, kept: bool) -> Samples:
    timed, count = taking.timed, len(taking.timed.taken)
    return Samples(
        begin=timed.begin + taking.begin_ns,
        taken=timed.taken,
        service=timed.service,
        round=np.full(count, taking.round, np.int32),
        block=np.full(count, index, np.int32),
        kept=np.full(count, kept, np.bool_),
        fresh=timed.fresh,
        setting=np.full(count, taking.setting),
    )

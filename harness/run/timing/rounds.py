"""Rounds: all targets of a place alive together, each in a process of its own, timed in turns A B | B A.

Round 1 uses the run's own processes; each further one starts fresh ones from the same files, since processes of one
file differ by more than the queries of one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.metrics.latency_ratio import narrow
from seatrial.harness.records.latencies import Samples
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.run.timing.ready import STAGE, Preparing, Ready, alive
from seatrial.harness.run.timing.scenes import Scene, scene_of, seconds_of
from seatrial.harness.run.timing.stopping import Budget, Round, Stopped, judged, standing, stopped
from seatrial.harness.run.timing.takings import Taking, entry_of, of_rounds, samples_of
from seatrial.harness.spec.targets import is_yardstick
from seatrial.harness.timing.lengths import Lengths, lengths_of
from seatrial.harness.timing.turns import in_turns

# The percentile that all rounds together shall carry, unless the queries would take longer than MOST_S for each target.
CARRIED = 99.0
MOST_S = 60.0
# A block that takes so many times what it should ends, whatever it has.
_PATIENCE = 4.0
_SHORTEST_S = 1.0

Note = Callable[[str], None]


class InTurns:
    """One scenario over all rounds so far. finished: why it ended, None before."""

    def __init__(self, session: Session, scenario: str) -> None:
        self._session, self._scenario = session, scenario
        self._options = session.plan.spec.timing
        self.key = SCENARIOS[scenario].key
        self._takings: dict[str, list[Taking]] = {}
        self._scenes: dict[str, Scene] = {}
        self._lengths: Lengths | None = None
        self._differs: dict[str, int] = {}
        self._unsteady: dict[str, bool] = {}
        self._begin_ns: int | None = None
        self._numbers: list[int] = []
        self._spent_s = 0.0
        self.finished: Stopped | None = None

    def round(self, number: int, ready: Mapping[str, Ready], machine: Machine, note: Note) -> None:
        """One more, of these processes."""
        session, begin = self._session, time.monotonic()
        self._begin_ns = self._begin_ns or time.monotonic_ns()
        lengths = self._sized(ready)
        self._numbers.append(number)
        for name, one in ready.items():
            self._differs[name] = max(self._differs.get(name, 0), one.differs)
            self._unsteady[name] = self._unsteady.get(name, False) or one.unsteady
        for _, name in in_turns(list(ready), lengths.turns):
            if session.lost(name) or name not in lengths.queries:
                continue
            note(f"{self._scenario}, round {number}: {name}")
            with session.noting(name, STAGE):
                self._block(number, ready[name], lengths)
            machine.look()
        self._spent_s += time.monotonic() - begin

    def _block(self, number: int, ready: Ready, lengths: Lengths) -> None:
        takings = self._takings.setdefault(ready.id, [])
        first = sum(len(one.timed.taken) for one in takings)
        seconds = _PATIENCE * max(lengths.seconds[ready.id], _SHORTEST_S)
        block = self._scenes[ready.id].block(
            seed=self._session.plan.spec.seed, first=first, queries=lengths.queries[ready.id], seconds=seconds
        )
        assert self._begin_ns is not None
        begin_ns = time.monotonic_ns() - self._begin_ns
        takings.append(Taking(number, begin_ns, ready.time(block)))

    def _sized(self, ready: Mapping[str, Ready]) -> Lengths:
        """The same in all rounds, by what the first finds."""
        if self._lengths is None:
            session, options, seconds = self._session, self._options, {}
            for name, one in ready.items():
                with session.noting(name, STAGE):
                    self._scenes[name] = scene_of(session, self._scenario, one)
                    seconds[name] = seconds_of(self._scenes[name], one, seed=session.plan.spec.seed)
            throughput = SCENARIOS[self._scenario].percentile is None
            self._lengths = lengths_of(
                seconds,
                duration_s=options.duration_s,
                queries=0 if throughput else math.ceil(minimum(CARRIED) / options.starts),
                most_s=MOST_S / options.starts,
            )
        return self._lengths

    @property
    def rounds(self) -> list[Round]:
        """Those that there were, and what disturbed them."""
        takings = self._alive()
        return judged({number: of_rounds(takings, number) for number in self._numbers})

    def look(self, budget: Budget) -> None:
        """Decides whether there are rounds enough."""
        self.finished = stopped(self.rounds, budget, self._narrow)

    def _narrow(self, kept: Sequence[Round]) -> bool:
        takings = self._alive()
        rounds = [
            {
                name: np.concatenate(
                    [
                        one.timed.taken
                        for index, one in enumerate(found)
                        if one.round == round_.number and (name, index) not in round_.left_out
                    ]
                    or [np.empty(0, np.int64)]
                )
                for name, found in takings.items()
            }
            for round_ in kept
        ]
        asked, beside, targets = self._session.plan.targets, "", dict[str, list[str]]()
        for target in self._session.alive():
            if is_yardstick(target.build.target, asked):
                beside = target.id if target.build.number == 1 else beside
            else:
                targets.setdefault(target.build.target.id, []).append(target.id)
        return narrow(rounds, beside, targets, self._options.width)

    def _alive(self) -> dict[str, list[Taking]]:
        return {name: found for name, found in self._takings.items() if not self._session.lost(name)}

    def samples(self) -> dict[str, Samples]:
        """Build id -> all queries, of the targets that are alive."""
        rounds = [one for one in standing(self.rounds, self._options.starts) if one.kept]
        kept = {one.number for one in rounds}
        left_out = {one for round_ in rounds for one in round_.left_out}
        return {
            name: samples_of(found, kept, {index for target, index in left_out if target == name})
            for name, found in self._alive().items()
            if found
        }

    def entries(self) -> dict[str, dict[str, Any]]:
        """Build id -> what timing.json says of it."""
        return {
            name: {
                **entry_of(found),
                "unsteady": self._unsteady[name],
                "expected_differs": self._differs[name],
                **self._scenes[name].entry(),
            }
            for name, found in self._alive().items()
        }

    def record(self) -> dict[str, Any]:
        """What timing.json says of the scenario."""
        rounds = standing(self.rounds, self._options.starts)
        return {
            "rounds": [one.to_dict() for one in rounds],
            "spent_s": round(self._spent_s, 3),
            "stopped": self.finished,
        }


class Hooks:
    """What a round tells, and waits for; does nothing by itself."""

    def before_round(self, number: int, more_s: float) -> None:
        """Before the processes of a round are started. more_s: what rounds beyond those asked for may still take."""

    def note(self, says: str) -> None:
        """What is at work now."""

    def timed(self) -> None:
        """A round of a scenario is done."""

    def finished(self, scenario: InTurns) -> None:
        """A scenario needs no further round."""


def time_in_rounds(
    session: Session, preparing: Preparing, scenarios: Sequence[str], machine: Machine, hooks: Hooks
) -> None:
    """Rounds until no scenario needs a further one. hooks.finished: called with each that is finished, at once."""
    options = session.plan.spec.timing
    found = [InTurns(session, name) for name in scenarios]
    budget, number = Budget(options.starts, options.budget_s), 0
    while wanting := [one for one in found if one.finished is None]:
        number += 1
        begin = time.monotonic()
        hooks.before_round(number, max(0.0, budget.seconds - budget.spent))
        if number == 1:
            _round(session, preparing.own(), wanting, number, machine, hooks)
        else:
            with preparing.fresh() as fresh:
                _round(session, fresh, wanting, number, machine, hooks)
        budget.add(number, time.monotonic() - begin)
        for one in wanting:
            one.look(budget)
            if one.finished is not None:
                hooks.finished(one)


def _round(
    session: Session,
    ready: Mapping[str, Ready],
    wanting: Sequence[InTurns],
    number: int,
    machine: Machine,
    hooks: Hooks,
) -> None:
    for one in wanting:
        one.round(number, alive(session, ready), machine, hooks.note)
        hooks.timed()

"""All that is asked of a run's timing and not there yet, measured and filed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.engines.machine import idle_watts, meters
from seatrial.engines.places import LOCAL
from seatrial.harness.progress import Update
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.device import device_phases
from seatrial.harness.run.timing.end_to_end import end_to_end
from seatrial.harness.run.timing.energy import energy_of
from seatrial.harness.run.timing.feeds import Feeds
from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.run.timing.missing import PARTS, held_by, part_shaped_by, shaped_by
from seatrial.harness.run.timing.ready import STAGE, Preparing, Ready, alive
from seatrial.harness.run.timing.rounds import Hooks, InTurns, time_in_rounds
from seatrial.harness.run.timing.scenes import IN_TURNS, Scene, scene_of
from seatrial.harness.run.timing.server import entry_of_search, serve
from seatrial.harness.run.timing.stopping import judged, standing
from seatrial.harness.run.timing.store import Store, describe_place
from seatrial.harness.run.timing.sustained import sustain
from seatrial.harness.run.timing.sweep import sweep
from seatrial.harness.run.timing.takings import Taking, entry_of, of_rounds, samples_of
from seatrial.harness.spec.timing import TimingOptions

# Single queries are those that energy is told of.
_ENERGY_OF = "single_stream"


def time_targets(session: Session, feeds: Feeds) -> None:
    """Times the targets that are alive, as far as the run directory lacks it; targets that fail meanwhile are missing.

    feeds: the pipelines that are timed from the stored image on.
    """
    options, held = session.plan.spec.timing, held_by(session.directory)
    builds = [target.build for target in session.alive()]
    lacking = {name: held.lack(options, name, builds) for name in held.scenarios(options)}
    parts = {part: held.lack_part(options, part, builds) for part in PARTS}
    if any(lacking.values()) or any(parts.values()):
        _Timing(session, lacking, parts).run(feeds)


class _Timing:
    """lacking: scenario -> ids of the builds to be timed. parts: the same of what stands beside the scenarios."""

    def __init__(self, session: Session, lacking: Mapping[str, list[str]], parts: Mapping[str, list[str]]) -> None:
        self._session, self._lacking, self._parts = session, lacking, parts
        self._options: TimingOptions = session.plan.spec.timing
        engine = session.alive()[0].engine
        self._machine = Machine(engine)
        self._store = Store(session.directory, self._machine)
        self._store.set("options", dataclasses.asdict(self._options))
        self._store.set("place", describe_place(engine))
        self._idle_watts = _idle(session)
        self._preparing = Preparing(session)
        self._update: Update = lambda done, note="": None
        self._done = self._total = 0

    def run(self, feeds: Feeds) -> None:
        turns = [name for name in IN_TURNS if self._lacking.get(name)]
        apart = [name for name in self._lacking if name not in IN_TURNS and self._lacking[name]]
        self._total = self._options.starts * len(turns) + sum(len(self._lacking[name]) for name in apart)
        self._total += len(self._parts["sweep"])
        with self._session.progress.stage("Timing", self._total, "steps") as update:
            self._update = update
            if turns:
                self._in_turns(turns)
            for name in apart:
                self._apart(name)
            if self._parts["sweep"]:
                self._sweep()
            update(self._total)
        if self._parts["end_to_end"]:
            self._end_to_end(feeds)

    def note(self, says: str) -> None:
        """Says what is at work."""
        self._update(self._done, says)

    def _step(self, steps: int = 1) -> None:
        self._done = min(self._total, self._done + steps)

    def _in_turns(self, scenarios: list[str]) -> None:
        time_in_rounds(self._session, self._preparing, scenarios, self._machine, _Hooks(self, len(scenarios)))
        ready = self._preparing.own()
        for name, phases in device_phases(self._session, ready, self._preparing.queries).items():
            self._store.target(name)["device"] = phases
        for name, one in alive(self._session, ready).items():
            with self._session.noting(name, STAGE):
                self._store.target(name)["memory"] = {
                    "host_bytes": one.engine.memory_bytes(),
                    "device_bytes": None,
                }
        self._store.write()

    def file(self, found: InTurns) -> None:
        """A scenario that is finished."""
        entries = found.entries()
        name = next(name for name in IN_TURNS if name.replace("-", "_") == found.key)
        record = {**found.record(), "asked": shaped_by(self._options, name)}
        if found.key == _ENERGY_OF:
            for build, entry in entries.items():
                energy = energy_of(entry["blocks"], 1, self._idle_watts)
                if energy:
                    self._store.target(build)["energy"] = energy
        self._store.scenario(found.key, record, found.samples(), entries)

    def _apart(self, scenario: str) -> None:
        for name in self._lacking[scenario]:
            ready = self._preparing.own().get(name)
            if ready is None:
                continue
            self.note(f"{scenario}: {name}")
            with self._session.noting(name, STAGE):
                scene = scene_of(self._session, scenario, ready)
                takings, searched, entry = self._one(scenario, ready, scene)
                self._file_one(scenario, ready, scene, takings, searched, entry)
            self._step()

    def _one(self, scenario: str, ready: Ready, scene: Scene) -> tuple[list[Taking], frozenset[int], dict[str, Any]]:
        options, seed = self._options, self._session.plan.spec.seed

        def note(says: str) -> None:
            self.note(f"{scenario}: {ready.id}: {says}")

        if scenario == "sustained":
            takings, readings = sustain(ready, scene, self._machine, seconds=options.sustained_s, seed=seed, note=note)
            return takings, frozenset(), {"readings": readings}
        found = serve(ready, scene, bound_ms=options.bound_ms, seed=seed, note=note)
        entry = entry_of_search(found, bound_ms=options.bound_ms, workers=scene.workers)
        return list(found.takings), found.searched, entry

    def _file_one(
        self,
        scenario: str,
        ready: Ready,
        scene: Scene,
        takings: list[Taking],
        searched: frozenset[int],
        entry: dict[str, Any],
    ) -> None:
        rounds = judged({1: of_rounds({ready.id: takings}, 1)})
        whole = {
            **entry_of(takings),
            "unsteady": ready.unsteady,
            "expected_differs": ready.differs,
            "reasons": list(rounds[0].reasons),
            **entry,
        }
        record = {
            "rounds": [one.to_dict() for one in standing(rounds, 1)],
            "spent_s": sum(one.timed.counters.wall_s for one in takings),
            "stopped": "asked",
            "asked": shaped_by(self._options, scenario),
        }
        self._store.scenario(scene.key, record, {ready.id: samples_of(takings, {1}, searched)}, {ready.id: whole})

    def _sweep(self) -> None:
        for target in self._session.alive():
            if target.id in self._parts["sweep"]:
                found = sweep(self._session, self._preparing, target, self.note)
                self._file_part("sweep", {target.id: found}, [target.id])
                self._step()

    def _end_to_end(self, feeds: Feeds) -> None:
        seconds = self._options.duration_s * self._options.starts
        found = end_to_end(self._session, feeds, seconds=seconds)
        self._file_part("end_to_end", found, list(found))

    def _file_part(self, part: str, found: Mapping[str, Any], tried: list[str]) -> None:
        asked = part_shaped_by(self._options, part)
        assert asked is not None
        self._store.part(part, asked, found, tried)


class _Hooks(Hooks):
    def __init__(self, timing: _Timing, scenarios: int) -> None:
        self._timing, self._scenarios = timing, scenarios

    def note(self, says: str) -> None:
        self._timing.note(says)

    def finished(self, scenario: InTurns) -> None:
        self._timing.file(scenario)


def _idle(session: Session) -> dict[str, float]:
    """Watts by meter while nothing runs, of this machine; empty where nothing measures them."""
    if any(target.engine.place is not LOCAL for target in session.alive()):
        return {}
    found = meters()
    try:
        return idle_watts(found) if found else {}
    finally:
        for meter in found:
            meter.close()

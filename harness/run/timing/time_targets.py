"""All that is asked of a run's timing and not there yet, measured and filed, place by place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from seatrial.engines import ENGINES
from seatrial.engines.machine import Meter, idle_watts, meters
from seatrial.engines.places import LOCAL, PlacedEngine
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import UnsupportedError
from seatrial.harness.metrics.disturbance import disturbed
from seatrial.harness.progress import Update
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.asked import Asked
from seatrial.harness.run.timing.cool_down import CoolDown
from seatrial.harness.run.timing.device import device_phases
from seatrial.harness.run.timing.end_to_end import end_to_end
from seatrial.harness.run.timing.energy import energy_of
from seatrial.harness.run.timing.feeds import Feeds
from seatrial.harness.run.timing.loadgen import ask_loadgen
from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.run.timing.missing import PARTS, held_by, part_shaped_by, shaped_by
from seatrial.harness.run.timing.ready import STAGE, Preparing, Ready, alive
from seatrial.harness.run.timing.rounds import Hooks, InTurns, time_in_rounds
from seatrial.harness.run.timing.scenes import IN_TURNS, Scene, scene_of
from seatrial.harness.run.timing.server import entry_of_search, serve
from seatrial.harness.run.timing.site import at_site, options_at, sites
from seatrial.harness.run.timing.stopping import Round
from seatrial.harness.run.timing.store import Store, describe_place
from seatrial.harness.run.timing.sustained import sustain
from seatrial.harness.run.timing.sweep import sweep
from seatrial.harness.run.timing.takings import Taking, entry_of, of_rounds, samples_of
from seatrial.harness.spec.targets import target_of
from seatrial.harness.spec.timing import TimingOptions

# For so many seconds nothing runs, so that meters tell what is drawn then.
IDLE_S = 2.0
# Single queries are those that energy is told of.
_ENERGY_OF = "single_stream"
_Told = TypeVar("_Told")


def time_targets(session: Session, asked: Asked) -> None:
    """Times the targets that are alive, as far as the run directory lacks it, one place after the other. Those that
    fail are missing.
    """
    for note in asked.feeds.notes:
        session.progress.tell(note)
    for board in sites(session):
        with at_site(session, board) as there:
            _time_there(there, board, asked)


def _time_there(session: Session, board: str | None, asked: Asked) -> None:
    """session: with the targets of that place."""
    options, held = options_at(session.plan, board), held_by(session.directory)
    builds = [target.build for target in session.alive()]
    lacking = {name: held.lack(options, board, name, builds) for name in held.scenarios(options)}
    parts = {part: held.lack_part(options, part, builds) for part in PARTS}
    if any(lacking.values()) or any(parts.values()):
        _Timing(session, board, lacking, parts, asked.power.get(board)).run(asked.feeds)


class _Timing:
    """At one place. lacking: scenario -> ids of the builds to be timed. parts: the same of what stands beside the
    scenarios. power: the user's own meter of the place.
    """

    def __init__(
        self,
        session: Session,
        board: str | None,
        lacking: Mapping[str, list[str]],
        parts: Mapping[str, list[str]],
        power: Meter | None,
    ) -> None:
        self._session, self._board, self._lacking, self._parts = session, board, lacking, parts
        self._options: TimingOptions = options_at(session.plan, board)
        engine = session.alive()[0].engine
        self._machine = Machine(session)
        self._cool_down = CoolDown(self._options, self._machine)
        self._store = Store(session.directory, board, self._machine)
        self._store.set("options", dataclasses.asdict(session.plan.spec.timing))
        self._store.set_here("place", describe_place(engine, self._machine.before))
        self._idle_watts = _idle(session, power)
        self._preparing = Preparing(session, power)
        self._update: Update = lambda done, note="", total=None: None
        self._done = self._total = 0
        # Of a scenario that targets have one after the other.
        self._spent_s, self._reasons = 0.0, dict[str, None]()

    def run(self, feeds: Feeds) -> None:
        turns = [name for name in IN_TURNS if self._lacking.get(name)]
        apart = [name for name in self._lacking if name not in IN_TURNS and self._lacking[name]]
        self._total = self._options.starts * len(turns) + sum(len(self._lacking[name]) for name in apart)
        self._total += len(self._parts["sweep"]) + len(self._parts["loadgen"])
        where = "" if self._board is None else f" on {self._board}"
        with self._session.progress.stage(f"Timing{where}", self._total, "steps") as update:
            self._update = update
            if turns:
                self._in_turns(turns)
            for name in apart:
                self._apart(name)
            if self._parts["sweep"]:
                self._sweep()
            if self._parts["loadgen"]:
                self._loadgen()
            update(self._total)
        if self._parts["end_to_end"]:
            self._end_to_end(feeds)

    def note(self, says: str) -> None:
        """Says what is at work."""
        self._update(self._done, says)

    def step(self, steps: int = 1) -> None:
        """So many are done; rounds beyond those that are asked for are not counted."""
        self._done = min(self._total, self._done + steps)

    def cool_down(self, before: str, ready: Ready | None = None) -> None:
        """Waits where that is asked. ready: what is timed next; None for all, where one that has died ends its own
        target alone.
        """
        if self._options.cool_down is None:
            return
        self.note(f"waiting for the machine before {before}")
        if ready is not None:
            self._cool_down.wait(before, ready.engine)
        else:
            _first(self._session, lambda engine: self._cool_down.wait(before, engine))
        self._store.set_here("cool_down", self._cool_down.waited)

    def _in_turns(self, scenarios: list[str]) -> None:
        time_in_rounds(self._session, self._preparing, scenarios, self._machine, _Hooks(self))
        ready = self._preparing.own()
        for name, phases in device_phases(self._session, ready, self._preparing.queries).items():
            self._store.target(name)["device"] = phases
        for name, one in alive(self._session, ready).items():
            with self._session.noting(name, STAGE):
                self._store.target(name)["memory"] = {
                    "host_bytes": one.engine.memory_bytes(),
                    "device_bytes": one.engine.device_memory_bytes(),
                }
        self._store.write()

    def file(self, found: InTurns) -> None:
        """A scenario that is finished."""
        entries = found.entries()
        name = next(name for name in IN_TURNS if name.replace("-", "_") == found.key)
        record = {**found.record(), "asked": shaped_by(self._options, name)}
        if found.key == _ENERGY_OF:
            for build, entry in entries.items():
                served = ENGINES[target_of(build.partition("#")[0]).engine].served  # what meters tell is of who asks
                energy = {} if served else energy_of(entry["blocks"], 1, self._idle_watts)
                if energy:
                    self._store.target(build)["energy"] = energy
        self._store.scenario(found.key, record, found.samples(), entries)

    def _apart(self, scenario: str) -> None:
        """One target after the other; each is filed at once."""
        self._spent_s, self._reasons = 0.0, dict[str, None]()
        for name in self._lacking[scenario]:
            ready = self._preparing.own().get(name)
            if ready is None:
                continue
            self.note(f"{scenario}: {name}")
            with self._session.noting(name, STAGE):
                self.cool_down(name, ready)
                scene = scene_of(self._session, scenario, ready)
                takings, searched, entry = self._one(scenario, ready, scene)
                self._file_one(scenario, ready, scene, takings, searched, entry)
            self.step()

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
        reasons = disturbed(of_rounds({ready.id: takings}, 1))
        whole = {
            **entry_of(takings),
            "unsteady": ready.unsteady,
            "expected_differs": ready.differs,
            "reasons": list(reasons),
            **entry,
        }
        self._spent_s += sum(one.timed.counters.wall_s for one in takings)
        self._reasons.update(dict.fromkeys(reasons))
        record = {
            "rounds": [Round(1, tuple(self._reasons), kept=True).to_dict()],
            "spent_s": round(self._spent_s, 3),
            "stopped": "asked",
            "asked": shaped_by(self._options, scenario),
        }
        self._store.scenario(scene.key, record, {ready.id: samples_of(takings, {1}, searched)}, {ready.id: whole})

    def _sweep(self) -> None:
        for target in self._session.alive():
            if target.id in self._parts["sweep"]:
                found = sweep(self._session, self._preparing, target, self.note)
                self._file_part("sweep", {target.id: found}, [target.id])
                self.step()

    def _loadgen(self) -> None:
        """Where it is missing at a target's place, that is told, and nothing else is lost."""
        for name in self._parts["loadgen"]:
            ready = self._preparing.own().get(name)
            if ready is None:
                continue
            found: dict[str, Any] = {}
            with self._session.noting(name, STAGE):
                for scenario in self._options.timed:
                    self.note(f"MLPerf's load generator, {scenario}: {name}")
                    rate = self._store.target(name).get("server", {}).get("rate")
                    try:
                        entry = ask_loadgen(self._session, ready, scenario, rate)
                    except UnsupportedError as error:
                        self._session.progress.tell(f"{name} is not asked by MLPerf's load generator: {error}")
                        break
                    if entry is not None:
                        found[SCENARIOS[scenario].key] = entry
            if not self._session.lost(name):
                self._file_part("loadgen", {name: found} if found else {}, [name])
            self.step()

    def _end_to_end(self, feeds: Feeds) -> None:
        seconds = self._options.duration_s * self._options.starts
        found = end_to_end(self._session, feeds, seconds=seconds)
        self._file_part("end_to_end", found, list(found))

    def _file_part(self, part: str, found: Mapping[str, Any], tried: list[str]) -> None:
        asked = part_shaped_by(self._options, part)
        assert asked is not None
        self._store.part(part, asked, found, tried)


class _Hooks(Hooks):
    def __init__(self, timing: _Timing) -> None:
        self._timing, self._more = timing, ""

    def before_round(self, number: int, more_s: float) -> None:
        self._more = f"; up to {more_s:.0f} s more, if it is not told closely" if more_s else ""
        self._timing.cool_down(f"round {number}")

    def timed(self) -> None:
        self._timing.step()

    def note(self, says: str) -> None:
        self._timing.note(f"{says}{self._more}")

    def finished(self, scenario: InTurns) -> None:
        self._timing.file(scenario)


def _idle(session: Session, power: Meter | None) -> dict[str, float]:
    """Watts by meter while nothing runs; empty where nothing measures them."""
    found = {} if power is None else idle_watts([power])
    here = all(target.engine.place is LOCAL for target in session.alive())
    told = None if here and not meters() else _first(session, lambda engine: engine.idle_watts(IDLE_S))
    return {**found, **(told or {})}


def _first(session: Session, ask: Callable[[PlacedEngine], _Told]) -> _Told | None:
    """What the first target tells that does not fail meanwhile; None where all do."""
    for target in session.alive():
        with session.noting(target.id, STAGE):
            return ask(target.engine)
    return None

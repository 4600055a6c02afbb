"""What is asked of a run's timing and not there yet: another scenario extends a run, other options time it again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.latencies import timed
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import read_timing, scenario_at
from seatrial.harness.run.timing.scenes import IN_TURNS
from seatrial.harness.run.timing.site import options_at
from seatrial.harness.spec.targets import Build
from seatrial.harness.spec.timing import TimingOptions

# What stands beside the scenarios in timing.json.
PARTS = ("sweep", "loadgen", "end_to_end")


def shaped_by(options: TimingOptions, scenario: str) -> dict[str, Any]:
    """The options that shape what a scenario finds, JSON values; not the budget, which decides how closely."""
    common = {"cool_down": options.cool_down, "power_command": options.power_command}
    if scenario in IN_TURNS:
        return {**common, "starts": options.starts, "duration_s": options.duration_s}
    own = {"server": {"bound_ms": options.bound_ms}, "sustained": {"sustained_s": options.sustained_s}}
    return {**common, **own[scenario]}


def part_shaped_by(options: TimingOptions, part: str) -> dict[str, Any] | None:
    """The same of a part; None where it is not asked."""
    if part == "sweep" and (options.sweep_batch or options.sweep_threads):
        return {"batch": list(options.sweep_batch), "threads": list(options.sweep_threads)}
    if part == "loadgen" and options.loadgen:
        return {"scenarios": list(options.timed), "bound_ms": options.bound_ms}
    if part == "end_to_end" and options.end_to_end:
        return {"patterns": list(options.end_to_end)}
    return None


class Held:
    """What a run directory holds of its timing."""

    def __init__(self, record: Mapping[str, Any], pairs: Collection[tuple[str, str]]) -> None:
        """record: timing.json. pairs: (target, scenario) that have samples."""
        self._record, self._pairs = record, pairs

    def scenarios(self, options: TimingOptions) -> tuple[str, ...]:
        """All that the run is asked for, now or before, anywhere."""
        held = {key for place in self._record["places"].values() for key in place.get("scenarios", {})}
        return tuple(
            name for name, one in SCENARIOS.items() if name in options.timed or one.key in held or name in IN_TURNS[:1]
        )

    def lack(self, options: TimingOptions, board: str | None, scenario: str, builds: Iterable[Build]) -> list[str]:
        """Ids of the builds that must be timed, of those at one place: of a scenario that is timed in turns, all of
        them or none. options: as they are there.
        """
        names = [
            build.id for build in builds if build.target.board == board and (scenario in IN_TURNS or build.number == 1)
        ]
        key = SCENARIOS[scenario].key
        asked = scenario_at(self._record, board, key).get("asked")
        if scenario in options.timed and asked != shaped_by(options, scenario):
            return names
        missing = [
            name for name in names if (name, key) not in self._pairs or key not in self._record["targets"].get(name, {})
        ]
        return names if missing and scenario in IN_TURNS else missing

    def lack_part(self, options: TimingOptions, part: str, builds: Iterable[Build]) -> list[str]:
        """Ids of those of the targets' first builds that lack a part."""
        shaped = part_shaped_by(options, part)
        if shaped is None:
            return []
        names = [build.id for build in builds if build.number == 1]
        held = self._record.get("parts", {}).get(part, {})
        done = held.get("targets", []) if held.get("asked") == shaped else []
        return [name for name in names if name not in done]

    def is_whole(self, options: Callable[[str | None], TimingOptions], builds: Collection[Build]) -> bool:
        """True where nothing of these builds is missing. options: those of a board, None for this machine."""
        asked = {board: options(board) for board in {build.target.board for build in builds}}
        return not any(
            self.lack(one, board, name, builds) for board, one in asked.items() for name in self.scenarios(one)
        ) and not any(self.lack_part(one, part, builds) for one in asked.values() for part in PARTS)


def held_by(directory: RunDirectory) -> Held:
    """What is there; DamagedError and BadInputError for files that are not what was written."""
    pairs = timed(directory.latency) if directory.latency.exists() else set()
    return Held(read_timing(directory.timing), pairs)


def is_timed(plan: Plan, directory: RunDirectory, builds: Collection[Build]) -> bool:
    """True where these builds have all that the plan asks of their timing."""
    return held_by(directory).is_whole(functools.partial(options_at, plan), builds)

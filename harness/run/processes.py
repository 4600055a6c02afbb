"""The engines' processes: started together at the beginning, while there is other work to do."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator

from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.engines.places import Arena, EngineProcess
from seatrial.engines.places.arena import slot_bytes
from seatrial.errors import SeatrialError
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.spec.targets import Build, TargetSpec


@dataclasses.dataclass(frozen=True)
class Fleet:
    """A process for each build, its runtime imported and the device seen; and what the run shares with all of them.

    lost: why a board's build has none.
    """

    processes: dict[Build, EngineProcess]
    arena: Arena
    lost: dict[Build, SeatrialError] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def started(plan: Plan) -> Iterator[Fleet]:
    """Starts the processes; raises UnsupportedError or EngineDiedError where a runtime, device or precision is missing
    here, before anything is computed: on a board, that ends its build alone. Ends them all in the end.
    """
    with contextlib.ExitStack() as stack:
        arena = _arena(plan)
        stack.callback(arena.close)
        fleet = Fleet({}, arena)
        for build in plan.builds:
            with _losing(fleet, build):
                if build.target in plan.lost:
                    raise plan.lost[build.target]
                fleet.processes[build] = stack.enter_context(start(plan, build, arena))
        for build, process in list(fleet.processes.items()):
            with _losing(fleet, build):
                process.check(build.target.precision, build.target.device)
        yield fleet


@contextlib.contextmanager
def _losing(fleet: Fleet, build: Build) -> Iterator[None]:
    """Notes why a board's build cannot begin; what is of this machine raises."""
    try:
        yield
    except TARGET_ERRORS as error:
        if build.target.board is None:
            raise
        fleet.lost[build] = error
        if build in fleet.processes:
            fleet.processes.pop(build).close()


def start(plan: Plan, build: Build, arena: Arena) -> EngineProcess:
    """The process of one build, which takes as many calls at once as its engine does: others wait here, where no time
    limit runs. To a board, further batches are on their way meanwhile.
    """
    target = build.target
    return EngineProcess(
        target.engine, plan.spec.limits, lanes=lanes_of(plan, target), arena=arena, place=plan.place(target)
    )


def lanes_of(plan: Plan, target: TargetSpec) -> int:
    """How many batches a target's process is asked at the same time."""
    if target.board is not None:
        return plan.places.board(target.board).lanes
    several = ENGINES[target.engine].thread_safe and device_kind(target.device) == "cpu"
    at_once = max(1, plan.place(target).facts().cores // plan.spec.targets.threads) if several else 1
    return min(plan.spec.work.workers, at_once)


def _arena(plan: Plan) -> Arena:
    values = plan.spec.work.batch_size * math.prod(plan.model.contract.tensor_shape)
    # Targets may want different tensors of the same images (a float16 model's float32 form): room for all, in the
    # widest type. Only what is used takes memory.
    return Arena(slot_bytes(*[(values, 4)] * len(plan.targets)), plan.spec.work.workers)

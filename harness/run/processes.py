"""The engines' processes: started together at the beginning, while there is other work to do."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator

from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.engines.places import Arena, EngineProcess, place_of
from seatrial.engines.places.arena import slot_bytes
from seatrial.harness.plan.plan import Plan
from seatrial.harness.spec.targets import Build


@dataclasses.dataclass(frozen=True)
class Fleet:
    """A process for each build, its runtime imported and the device seen; and what the run shares with all of them."""

    processes: dict[Build, EngineProcess]
    arena: Arena


@contextlib.contextmanager
def started(plan: Plan) -> Iterator[Fleet]:
    """Starts the processes; raises UnsupportedError or EngineDiedError where a runtime, device or precision is missing
    here, before anything is computed. Ends them all in the end.
    """
    with contextlib.ExitStack() as stack:
        arena = _arena(plan)
        stack.callback(arena.close)
        processes = {build: stack.enter_context(start(plan, build, arena)) for build in plan.builds}
        for build, process in processes.items():
            process.check(build.target.precision, build.target.device)
        yield Fleet(processes, arena)


def start(plan: Plan, build: Build, arena: Arena) -> EngineProcess:
    """The process of one build, which takes as many calls at once as its engine does: others wait here, where no time
    limit runs.
    """
    target = build.target
    place = place_of(target.device)
    several = ENGINES[target.engine].thread_safe and device_kind(target.device) == "cpu"
    at_once = max(1, place.facts().cores // plan.spec.targets.threads) if several else 1
    lanes = min(plan.spec.work.workers, at_once)
    return EngineProcess(target.engine, plan.spec.limits, lanes=lanes, arena=arena, place=place)


def _arena(plan: Plan) -> Arena:
    values = plan.spec.work.batch_size * math.prod(plan.model.contract.tensor_shape)
    # Targets may want different tensors of the same images (a float16 model's float32 form): room for all, in the
    # widest type. Only what is used takes memory.
    return Arena(slot_bytes(*[(values, 4)] * len(plan.targets)), plan.spec.work.workers)

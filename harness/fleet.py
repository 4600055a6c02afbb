"""The engines' processes: started together at the beginning, while there is other work to do."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator

from engines import ENGINES
from engines.isolated import Arena, EngineProcess
from engines.isolated.arena import slot_bytes
from harness.plan import Plan
from harness.spec import Build


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
        processes = {
            build: stack.enter_context(
                EngineProcess(
                    build.target.engine,
                    plan.spec.limits,
                    lanes=plan.spec.workers if ENGINES[build.target.engine].thread_safe else 1,
                    arena=arena,
                )
            )
            for build in plan.builds
        }
        for build, process in processes.items():
            process.check(build.target.precision, build.target.device)
        yield Fleet(processes, arena)


def _arena(plan: Plan) -> Arena:
    values = plan.spec.batch_size * math.prod(plan.model.contract.tensor_shape)
    # Targets may want different tensors of the same images (a float16 model's float32 form): room for all, in the
    # widest type. Only what is used takes memory.
    return Arena(slot_bytes(*[(values, 4)] * len(plan.targets)), plan.spec.workers)

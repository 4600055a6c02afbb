"""What an executor is, and the one that a spec asks for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

from seatrial.harness.conditions.kinds.protocol import Errand, Pending, TakePart
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.executors.threads import on_threads
from seatrial.harness.run.session import Session
from seatrial.harness.spec.work import ray_address


@dataclasses.dataclass(frozen=True)
class Executor:
    """ask: answers these trials on the targets that have not failed, and files each once it is whole. make: has images
    of conditions made on other machines, as `protocol.Elsewhere`; None where there are none.
    """

    ask: Callable[[Session, Sequence[Pending]], None]
    make: Callable[[Session, Sequence[Errand], TakePart], None] | None = None


LOCAL = Executor(on_threads)


@contextlib.contextmanager
def executor_of(plan: Plan) -> Iterator[Executor]:
    """The executor of the plan's spec, which holds nothing any more in the end. UnsupportedError where Ray is asked for
    and missing, or no cluster answers; nothing is started before the first trials are asked for.
    """
    address = ray_address(plan.spec.work.executor)
    if address is None:
        yield LOCAL
        return
    from seatrial.harness.run.executors.cluster import RayExecutor

    with contextlib.closing(RayExecutor(address)) as executor:
        yield Executor(executor.ask, executor.make)

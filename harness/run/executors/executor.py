"""What an executor is, and the one that a spec asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.session import Session
from seatrial.harness.spec.work import ray_address

# Answers these trials on the targets that have not failed, and files each once it is whole.
Executor = Callable[[Session, Sequence[Pending]], None]


@contextlib.contextmanager
def executor_of(plan: Plan) -> Iterator[Executor]:
    """The executor of the plan's spec, which holds nothing any more in the end. UnsupportedError where Ray is asked for
    and missing, or no cluster answers; nothing is started before the first trials are asked for.
    """
    from seatrial.harness.run.executors.threads import on_threads

    address = ray_address(plan.spec.work.executor)
    if address is None:
        yield on_threads
        return
    from seatrial.harness.run.executors.cluster import RayExecutor

    with contextlib.closing(RayExecutor(address)) as executor:
        yield executor.ask

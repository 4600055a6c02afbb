"""All trials that are left, kind by kind."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import KINDS, is_run_together
from seatrial.harness.run.executors.executor import LOCAL, Executor
from seatrial.harness.run.session import Session


def answer(session: Session, pending: Sequence[Pending], executor: Executor = LOCAL) -> None:
    """Runs these trials, those of the targets that have not failed."""
    ask = functools.partial(executor.ask, session)
    session.elsewhere = None if executor.make is None else functools.partial(executor.make, session)
    together = [one for one in pending if is_run_together(one.condition.id)]
    ask(together)
    for kind in KINDS.values():
        apart = [one for one in pending if kind.owns(one.condition.id) and one not in together]
        if apart:
            kind.run(session, apart, ask)

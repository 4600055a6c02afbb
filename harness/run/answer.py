"""All trials that are left, kind by kind."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from seatrial.harness.conditions.kinds.protocol import Kind, Pending
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.session import Session
from seatrial.harness.run.trials import run_trials


def answer(session: Session, pending: Sequence[Pending]) -> None:
    """Runs these trials, those of the targets that have not failed."""
    ask = functools.partial(_ask, session)
    together = [one for one in pending if type(kind_of(one.condition.id)).run is Kind.run]
    ask(together)
    for kind in KINDS.values():
        apart = [one for one in pending if kind.owns(one.condition.id) and one not in together]
        if apart:
            kind.run(session, apart, ask)


def _ask(session: Session, pending: Sequence[Pending]) -> None:
    """Targets whose graph a condition rewrites are built for it beside the others."""
    for rewrites in dict.fromkeys(one.condition.rewrites for one in pending):
        part = [one for one in pending if one.condition.rewrites == rewrites]
        asked = {name for one in part for name in one.targets}
        alive = [target for target in session.alive() if target.id in asked]
        if not alive:
            continue
        with rewritten(session, alive, rewrites) as built:
            run_trials(session, part, built)

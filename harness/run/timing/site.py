"""One place of a run, as it is timed: the targets there, and what is asked of their timing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.session import Session
from seatrial.harness.spec.timing import TimingOptions


def sites(session: Session) -> list[str | None]:
    """The boards of the targets that are alive, in their order; None is this machine."""
    return list(dict.fromkeys(target.build.target.board for target in session.alive()))


@contextlib.contextmanager
def at_site(session: Session, board: str | None) -> Iterator[Session]:
    """The session with the targets of one place alone; what comes to an end there is noted in the whole one, too."""
    there = dataclasses.replace(
        session, targets=[target for target in session.targets if target.build.target.board == board]
    )
    try:
        yield there
    finally:
        session.error = session.error or there.error


def options_at(plan: Plan, board: str | None) -> TimingOptions:
    """Those of the run, with the cool-down and the meter of the board: the run's own meter tells of this machine."""
    options = plan.spec.timing
    if board is None:
        return options
    described = plan.spec.boards.get(board)
    cool_down = None if described is None else described.cool_down
    return dataclasses.replace(
        options,
        cool_down=cool_down or options.cool_down,
        power_command=None if described is None else described.power_command,
    )

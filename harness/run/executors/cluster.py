"""The executor that has nodes of a Ray cluster do what they can of a run."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.harness.conditions.kinds.protocol import Errand, Pending, TakePart
from seatrial.harness.run.executors.answering import answer_spread
from seatrial.harness.run.executors.crew import Crew
from seatrial.harness.run.executors.making import make_spread
from seatrial.harness.run.executors.threads import on_threads
from seatrial.harness.run.session import Session


class RayExecutor:
    """Runs trials on all nodes of a cluster. What it started there ends with `close`."""

    def __init__(self, address: str) -> None:
        """address: as `ray_address` gives it. UnsupportedError where Ray is missing, or no cluster answers."""
        self._crew = Crew(address)

    def ask(self, session: Session, pending: Sequence[Pending]) -> None:
        """As `Executor.ask`. What hangs on this machine is answered here."""
        builds, nodes = {target.id for target in session.alive()}, _there(session)
        there = [one for one in (one.of(nodes) for one in pending) if one.targets]
        here = [one for one in (one.of(builds - nodes) for one in pending) if one.targets]
        if there:
            answer_spread(self._crew, session, there)
        if here:
            on_threads(session, here)

    def make(self, session: Session, errands: Sequence[Errand], take: TakePart) -> None:
        """As `Executor.make`. What takes an engine of this machine is not made."""
        nodes = _there(session)
        left = [one for one in errands if one.starts and (one.target is None or one.target in nodes)]
        if left:
            make_spread(self._crew, session, left, take)

    def close(self) -> None:
        """Ends what runs on the nodes."""
        self._crew.close()


def _there(session: Session) -> set[str]:
    """The targets that nodes can answer: not those on a board, which the run holds, nor a target's further builds,
    which would be others on every node.
    """
    builds = {target.id: target.build for target in session.alive()}
    return {name for name, build in builds.items() if build.number == 1 and build.target.board is None}

"""What a run's timing needs beside its engines, told where it is missing before anything is built."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

from seatrial.engines.timing import loadgen
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.timing.feeds import Feeds, feeds_of
from seatrial.harness.run.timing.site import options_at
from seatrial.harness.timing.power import PowerCommand


@dataclasses.dataclass(frozen=True)
class Asked:
    """feeds: pipelines that are timed from the stored image on. power: the user's own meters, by board; None is this
    machine.
    """

    feeds: Feeds
    power: Mapping[str | None, PowerCommand] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def asked_of(plan: Plan) -> Iterator[Asked]:
    """The meters are read meanwhile. UsageError for pipelines that there are not, for a command that prints no watts,
    and for what a board cannot be waited for; PackageError where the load generator is asked and missing here.
    """
    feeds = feeds_of(plan, plan.spec.timing.end_to_end)
    if plan.spec.timing.loadgen:
        loadgen.module()
    with contextlib.ExitStack() as stack:
        power = {}
        for board in dict.fromkeys(target.board for target in plan.targets):
            command = options_at(plan, board).power_command
            if command is not None:
                given = "--power-command" if board is None else f"power_command of the board {board}"
                power[board] = stack.enter_context(PowerCommand(command, given=given))
        yield Asked(feeds, power)

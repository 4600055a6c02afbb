"""What a run's timing needs beside its engines, told where it is missing before anything is built."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from seatrial.engines.timing import loadgen
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.timing.feeds import Feeds, feeds_of
from seatrial.harness.timing.power import PowerCommand


@dataclasses.dataclass(frozen=True)
class Asked:
    """feeds: pipelines that are timed from the stored image on. power: the user's own meter, None without one."""

    feeds: Feeds
    power: PowerCommand | None = None


@contextlib.contextmanager
def asked_of(plan: Plan) -> Iterator[Asked]:
    """The meter is read meanwhile. UsageError for pipelines that there are not, and for a command that prints no watts;
    PackageError where the load generator is asked and missing here.
    """
    options = plan.spec.timing
    feeds = feeds_of(plan, options.end_to_end)
    if options.loadgen:
        loadgen.module()
    if options.power_command is None:
        yield Asked(feeds)
        return
    with PowerCommand(options.power_command) as power:
        yield Asked(feeds, power)

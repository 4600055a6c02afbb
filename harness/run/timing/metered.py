"""A block beside a meter that is read from here, which the engine's process does not see."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from seatrial.engines.machine import Meter, read_meters
from seatrial.engines.timing.block import Timed


def metered(ask: Callable[[], Timed], meter: Meter | None, clock: Callable[[], float] = time.monotonic) -> Timed:
    """What `ask` returns, with the meter's joules among its counters: the mean power until the answer was here, for the
    block's own time. Without a meter, or where it does not answer, as it is.
    """
    if meter is None:
        return ask()
    before, begin = read_meters([meter]), clock()
    timed = ask()
    after, seconds = read_meters([meter]), clock() - begin
    if meter.name not in before or meter.name not in after or seconds <= 0:
        return timed
    watts = (after[meter.name] - before[meter.name]) / seconds
    joules = {**timed.counters.joules, meter.name: watts * timed.counters.wall_s}
    return dataclasses.replace(timed, counters=dataclasses.replace(timed.counters, joules=joules))

"""Waiting until a machine is as cool, or as steady, as it was."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.engines.machine.heat import hottest

# Consecutive probes that are alike, and how far apart they may lie: a clock that is stepped down moves them by a tenth.
PROBES = 5
WITHIN = 0.03
EVERY_S = 1.0
# A sensor that is switched off with its part answers again in a moment.
_MISSED = 5

Clock = Callable[[], float]
Sleep = Callable[[float], None]


@dataclasses.dataclass(frozen=True)
class Waited:
    """reached: whether the machine came to what was waited for. says: how it went, as a clause."""

    reached: bool
    seconds: float
    says: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


def warmest(reading: Mapping[str, Any]) -> float | None:
    """Degrees Celsius of the hottest of what computes, processor or GPU, by a reading; None where it tells none."""
    sensor = hottest(reading.get("celsius"))
    gpus = [gpu["celsius"] for gpu in reading.get("gpus") or () if gpu.get("celsius") is not None]
    return max([*gpus, *([sensor[1]] if sensor else [])], default=None)


def wait_for_celsius(
    celsius: Callable[[], float | None],
    target: float,
    *,
    limit_s: float,
    every_s: float = EVERY_S,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Waited:
    """Until `celsius()` is at most `target`, for at most `limit_s` seconds.

    celsius: None where the machine does not tell; then there is nothing to wait for.
    """
    begin, first, now, missed = clock(), None, None, 0
    while True:
        found = celsius()
        missed = missed + 1 if found is None else 0
        first, now = (found if first is None else first), (now if found is None else found)
        spent = clock() - begin
        if found is not None and found <= target:
            if found == first and spent < every_s:
                return Waited(True, spent, f"no need to wait: {_degrees(found)} C")
            return Waited(True, spent, f"waited {spent:.0f} s: {_degrees(first)} -> {_degrees(found)} C")
        if missed >= _MISSED:
            says = "the machine tells no temperature" if first is None else "the machine tells no temperature any more"
            return Waited(False, spent, f"{says}: waited {spent:.0f} s")
        if spent >= limit_s:
            return Waited(False, spent, f"still at {_degrees(now)} C after {spent:.0f} s, not {_degrees(target)}")
        sleep(min(every_s, max(0.0, limit_s - spent)))


def wait_for_steady(
    probe: Callable[[], float],
    *,
    limit_s: float,
    probes: int = PROBES,
    within: float = WITHIN,
    every_s: float = EVERY_S,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Waited:
    """Until `probes` consecutive times lie within a share `within` of the shortest, for at most `limit_s` seconds.

    probe: how long known work takes now, in any unit; what is not above 0 is never steady.
    """
    begin, last = clock(), deque[float](maxlen=probes)
    while True:
        last.append(probe())
        spent = clock() - begin
        apart = max(last) / min(last) - 1 if all(0 < one < math.inf for one in last) else math.inf
        if len(last) == probes and apart <= within:
            return Waited(True, spent, f"steady after {spent:.0f} s: {probes} probes within {apart:.1%}")
        if spent >= limit_s:
            differ = f"differ by {apart:.0%}" if apart < math.inf else "told no time"
            return Waited(False, spent, f"not steady after {spent:.0f} s: the last {len(last)} probes {differ}")
        sleep(min(every_s, max(0.0, limit_s - spent)))


def _degrees(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"

"""How long a word takes to a board and back, and how many bytes go there and come from it."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seatrial.agent.link import MOST_BYTES, noise
from seatrial.engines.boards.agent import Agent

_ROUND_TRIPS = 15
# Each direction is measured for about so long.
_SECONDS = 1.0
_MOST_FRAMES = 64
_AT_ONCE = 6


@dataclasses.dataclass(frozen=True)
class Speed:
    """round_trip_ms: the median. up, down: from the host's point of view, MB a second (1e6 bytes)."""

    round_trip_ms: float
    up_mb_s: float
    down_mb_s: float

    def to_dict(self) -> dict[str, float]:
        """JSON values."""
        return {name: round(value, 3) for name, value in vars(self).items()}


def measure(agent: Agent) -> Speed:
    """Takes two to three seconds, and as much traffic as fits into those."""
    payload = noise(MOST_BYTES)

    def ask(answers: int = 0, size: int = 0, **more: Any) -> float:
        begin = time.perf_counter()
        agent.ask("link", answers=answers, bytes=size, **more)
        return time.perf_counter() - begin

    trips = [ask() for _ in range(_ROUND_TRIPS)]
    trip = statistics.median(trips)
    down = _frames_in(ask(answers=1, size=MOST_BYTES) - trip)
    down_s = ask(answers=down, size=MOST_BYTES) - trip
    up = _frames_in(ask(payload=payload) - trip)
    up_s = _together(lambda: ask(payload=payload), up) - trip
    return Speed(trip * 1e3, up * MOST_BYTES / max(up_s, 1e-6) / 1e6, down * MOST_BYTES / max(down_s, 1e-6) / 1e6)


def _frames_in(seconds: float) -> int:
    return max(1, min(_MOST_FRAMES, round(_SECONDS / max(seconds, 1e-4))))


def _together(send: Callable[[], object], count: int) -> float:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begin = time.perf_counter()
        list(pool.map(lambda _: send(), range(count)))
        return time.perf_counter() - begin

"""What is timed, how often and for how long."""

from __future__ import annotations

import dataclasses
import math

from seatrial.bounds import LONGEST_S, MOST_BATCH, MOST_THREADS, above_zero, at_least
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import UsageError
from seatrial.text import meant

# Fresh processes of each target: the fewest whose spread says something.
STARTS = 3
# What further starts and repetitions of disturbed ones may take together, in seconds.
BUDGET_S = 60.0
# The least time of a target's queries within a start.
DURATION_S = 0.5
SUSTAINED_S = 600.0
# MLPerf Inference's of image classification, ResNet-50, server scenario.
BOUND_MS = 15.0
# An interval of a speed-up that is narrower than this share of it is narrow enough.
WIDTH = 0.05
# The word of --cool-down for known work that takes as long as before.
STEADY = "steady"
# Above it no device works.
HOTTEST = 125.0
# Pipelines that are timed whole: the model's own.
END_TO_END: tuple[str, ...] = ("contract",)


@dataclasses.dataclass(frozen=True)
class TimingOptions:
    """scenarios: names of SCENARIOS; single-stream is always timed, since speed-ups are told of it. starts: fresh
    processes of each target, at least. duration_s: least time of a target's queries within a start. sustained_s: of the
    scenario `sustained`. budget_s: for starts beyond those, while an interval of a speed-up is wider than `width`, and
    for repetitions of disturbed ones. bound_ms: of the scenario `server`. end_to_end: patterns of pipelines that are
    timed from the encoded image to the answer: `contract`, and ids of pipeline conditions. cool_down: `steady`, or a
    temperature in degrees Celsius, that is waited for before each target; cool_down_s: for how long at most. loadgen:
    also ask by MLPerf's load generator. power_command: prints the watts that are drawn now. sweep_batch,
    sweep_threads: batch sizes and threads that throughput is measured at.
    """

    scenarios: tuple[str, ...] = ("single-stream",)
    starts: int = dataclasses.field(default_factory=lambda: STARTS)
    duration_s: float = dataclasses.field(default_factory=lambda: DURATION_S)
    sustained_s: float = SUSTAINED_S
    budget_s: float = dataclasses.field(default_factory=lambda: BUDGET_S)
    width: float = WIDTH
    bound_ms: float = BOUND_MS
    end_to_end: tuple[str, ...] = dataclasses.field(default_factory=lambda: END_TO_END)
    cool_down: str | None = None
    cool_down_s: float = 300.0
    loadgen: bool = False
    power_command: str | None = None
    sweep_batch: tuple[int, ...] = ()
    sweep_threads: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """UsageError for an unknown scenario, numbers and words that none can be."""
        for name in self.scenarios:
            if name not in SCENARIOS:
                raise UsageError(
                    f"--scenario {name!r} is unknown.{meant(name, SCENARIOS)} Known: {', '.join(SCENARIOS)}, or all."
                )
        at_least(1, starts=self.starts)
        above_zero(duration=self.duration_s, sustained=self.sustained_s, latency_bound=self.bound_ms)
        above_zero(width=self.width, cool_down_s=self.cool_down_s)
        if not 0 <= self.budget_s <= LONGEST_S:
            raise UsageError(
                f"--timing-budget is {self.budget_s:g}; it is a number of seconds, from 0 to {LONGEST_S:g}."
            )
        for batch in self.sweep_batch:
            at_least(1, MOST_BATCH, sweep_batch=batch)
        for threads in self.sweep_threads:
            at_least(1, MOST_THREADS, sweep_threads=threads)
        for pattern in self.end_to_end:
            if not pattern.strip():
                raise UsageError("--end-to-end is empty: give `contract`, a pattern of pipeline conditions, or none.")
        if self.cool_down is not None and self.cool_down != STEADY:
            degrees(self.cool_down)
        if self.power_command is not None and (not self.power_command.strip() or "\0" in self.power_command):
            raise UsageError("--power-command is no command: give one that prints the watts that are drawn now.")

    @property
    def timed(self) -> tuple[str, ...]:
        """The scenarios to time, single-stream first, each once."""
        return tuple(dict.fromkeys(("single-stream", *self.scenarios)))


def degrees(text: str) -> float:
    """The temperature of `cool_down` in degrees Celsius; UsageError for what is none."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < HOTTEST:
        raise UsageError(
            f"--cool-down {text!r} is no temperature: give {STEADY}, or degrees Celsius between 0 and {HOTTEST:g}."
        )
    return found

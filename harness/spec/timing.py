"""What is timed, how often and for how long."""

from __future__ import annotations

import dataclasses

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import UsageError
from seatrial.harness.spec.checks import at_least

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
# Pipelines that are timed whole: the model's own.
END_TO_END: tuple[str, ...] = ("contract",)


@dataclasses.dataclass(frozen=True)
class TimingOptions:
    """scenarios: names of SCENARIOS, in the order asked. starts: fresh processes of each target, at least. duration_s:
    least time of a target's queries within a start. sustained_s: of the scenario `sustained`. budget_s: for starts
    beyond those, while an interval of a speed-up is wider than `width`, and for repetitions of disturbed ones.
    bound_ms: of the scenario `server`. end_to_end: patterns of pipelines that are timed from the encoded image to the
    answer: `contract`, and ids of pipeline conditions. cool_down: `steady`, or a temperature in degrees Celsius, that
    is waited for before each target; cool_down_s: for how long at most. loadgen: also ask by MLPerf's load generator.
    power_command: prints the watts that are drawn now. sweep_batch, sweep_threads: batch sizes and threads that
    throughput is measured at.
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
        """UsageError for an unknown scenario and for numbers that none can be."""
        for name in self.scenarios:
            if name not in SCENARIOS:
                raise UsageError(f"--scenario {name!r} is unknown. Known: {', '.join(SCENARIOS)}.")
        at_least(1, starts=self.starts)

"""What is timed: scenarios, in the words of MLPerf Inference, as data."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How queries come. percentile: of the latencies, by which the scenario is judged; None where throughput is what
    counts. samples: images of a query, None where the batch size decides. mlperf_s: the least duration of a
    valid result of MLPerf Inference's, in seconds. says: for people.
    """

    name: str
    percentile: float | None
    samples: int | None
    mlperf_s: float
    says: str

    @property
    def key(self) -> str:
        """Its name in files."""
        return self.name.replace("-", "_")


# Percentiles, samples and durations: MLPerf Inference's rules, "Scenarios" and "Benchmarks, edge" (mlcommons/
# inference_policies). `sustained` is our own: single stream for as long as asked.
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("single-stream", 90, 1, 600, "one image a query, the next query when the last is answered"),
        Scenario("multi-stream", 99, 8, 600, "eight images a query, the next query when the last is answered"),
        Scenario("offline", None, None, 600, "all images at once: images answered in a second"),
        Scenario("server", 99, 1, 600, "one image a query, arriving at random: the largest rate that keeps a bound"),
        Scenario("sustained", 90, 1, 600, "single stream for minutes: what stays when the device is warm"),
    )
}

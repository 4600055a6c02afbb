"""Metrics: pure functions of prediction arrays and samples, each tested against an independent reference."""

from __future__ import annotations

from seatrial.harness.metrics.accuracy import accuracy, wilson_interval
from seatrial.harness.metrics.paired import Comparison, compare, mcnemar_exact, paired_interval, paired_p
from seatrial.harness.metrics.percentiles import latency_summary

__all__ = [
    "Comparison",
    "accuracy",
    "compare",
    "latency_summary",
    "mcnemar_exact",
    "paired_interval",
    "paired_p",
    "wilson_interval",
]

"""The questions asked of an engine: data, conditions, trials, metrics, latency, results, reports."""

from __future__ import annotations

from seatrial.harness.run.run import run
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

__all__ = ["RunSpec", "TargetSpec", "run"]

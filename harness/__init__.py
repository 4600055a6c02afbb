"""The questions asked of an engine: data, conditions, trials, metrics, latency, results, reports."""

from __future__ import annotations

from harness.run import run
from harness.spec import RunSpec, TargetSpec

__all__ = ["RunSpec", "TargetSpec", "run"]

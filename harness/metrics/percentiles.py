"""Latency percentiles from raw samples."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def nearest_rank(samples: npt.NDArray[np.int64], percent: float) -> int:
    """The smallest sample that at least `percent` % of samples do not exceed: always a time that was really measured.

    >>> nearest_rank(np.arange(1, 101), 99)
    99
    """
    if not len(samples):
        raise ValueError("percentile of no samples")
    rank = max(1, math.ceil(len(samples) * percent / 100))
    return int(np.partition(samples, rank - 1)[rank - 1])


def latency_summary(samples_ns: npt.NDArray[np.int64]) -> dict[str, float | int]:
    """p50, p90, p99 and mean in milliseconds, and the number of samples, from int64 [N] nanoseconds."""
    summary: dict[str, float | int] = {
        f"p{percent}_ms": nearest_rank(samples_ns, percent) / 1e6 for percent in (50, 90, 99)
    }
    return {**summary, "mean_ms": float(samples_ns.mean()) / 1e6, "samples": len(samples_ns)}

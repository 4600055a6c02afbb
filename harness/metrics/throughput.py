"""Images answered in a second."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer[Any]]


def rates(taken: Samples, groups: Labels, *, images: int, workers: int) -> list[float]:
    """Images a second of each group of queries, by its number: over the time that they took, shared by the workers.

    taken: int64 [N] nanoseconds. groups: [N], of which block, or round, each is. images: of a query. workers: queries
    that are answered at once.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    spent = np.maximum(np.bincount(numbers, taken), 1.0)
    return [float(one) for one in np.bincount(numbers) * images * workers * 1e9 / spent]


def mean_rate(found: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The geometric mean of rates and its 95 % interval, Student's in the logarithm; None of a single one.

    >>> round(mean_rate([100.0, 400.0])[0], 6)
    200.0
    """
    logs = [math.log(max(one, 1e-9)) for one in found]
    centre = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(centre), None
    reach = t_quantile(0.025, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(centre), (math.exp(centre - reach), math.exp(centre + reach))

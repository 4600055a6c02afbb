"""Latency percentiles from raw samples: those that the samples carry, and how well they are known."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.binomial import quantile
from seatrial.harness.metrics.early_stopping import PERCENTS, bound, carried, minimum
from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer[Any]]

_TAIL = 0.025
# Fewer blocks do not tell how much the queries of one hang together.
_LEAST_BLOCKS = 8


def nearest_rank(samples: Samples, percent: float) -> int:
    """The smallest sample that at least `percent` % of samples do not exceed: always a time that was really measured.

    >>> nearest_rank(np.arange(1, 101), 99)
    99
    """
    if not len(samples):
        raise ValueError("percentile of no samples")
    rank = max(1, math.ceil(len(samples) * percent / 100))
    return int(np.partition(samples, rank - 1)[rank - 1])


def key(percent: float) -> str:
    """Its name in files: "p50_ms", "p99.9_ms"."""
    return f"p{percent:g}_ms"


def latency_summary(samples: Samples, rounds: Labels | None = None, blocks: Labels | None = None) -> dict[str, Any]:
    """Milliseconds, of int64 [N] nanoseconds in the order asked; ValueError for none.

    `p50_ms` ... `p99.9_ms`: None where the samples do not carry them (`early_stopping.carried`); the median is always
    told. `mean_ms`, `samples`. `largest`: the largest percentile that is carried, None below 11 samples. `ci95`: key ->
    95 % interval (`interval`), of those that have one. `bounds`: key -> what the percentile does not exceed, at 99 %
    confidence. rounds, blocks: [N], of which process and which stretch of time each is.
    """
    told = carried(len(samples))
    found: dict[str, Any] = {
        key(percent): nearest_rank(samples, percent) / 1e6 if percent in (50, *told) else None for percent in PERCENTS
    }
    spans = {key(percent): interval(samples, percent, rounds, blocks) for percent in (told or (50,))}
    bounds = {key(percent): bound(samples, percent) for percent in told}
    return {
        **found,
        "mean_ms": float(samples.mean()) / 1e6,
        "samples": len(samples),
        "largest": told[-1] if told else None,
        "ci95": {name: [end / 1e6 for end in span] for name, span in spans.items() if span is not None},
        "bounds": {name: one / 1e6 for name, one in bounds.items() if one is not None},
    }


def interval(
    samples: Samples, percent: float, rounds: Labels | None = None, blocks: Labels | None = None
) -> tuple[float, float] | None:
    """The 95 % interval of a percentile, in nanoseconds; None where the samples are too few for one.

    Two of the samples, by order statistics (David and Nagaraja, "Order Statistics", 7.1), which ask nothing of the
    distribution. Queries of one block hang together: the binomial is that of as many independent queries as have the
    variance that the blocks have (Kish's design effect). Processes differ: with several rounds the interval is at least
    Student's of the rounds' percentiles, in the logarithm, or of their medians where a round does not carry the
    percentile.
    """
    share, count, middle = percent / 100, len(samples), nearest_rank(samples, percent)
    alone = max(1, round(count / _design_effect(samples <= middle, share, blocks)))
    low, high = quantile(_TAIL, alone, share), quantile(1 - _TAIL, alone, share) + 1
    if low < 1 or high > alone:
        return None
    ranks = (max(1, low * count // alone), min(count, -(-high * count // alone)))
    ends = [float(one) for one in np.partition(samples, [rank - 1 for rank in ranks])[[rank - 1 for rank in ranks]]]
    reach = _between(samples, percent, rounds)
    return min(ends[0], middle * math.exp(-reach)), max(ends[1], middle * math.exp(reach))


def _design_effect(within: npt.NDArray[np.bool_], share: float, blocks: Labels | None) -> float:
    """The variance of the share of queries `within`, by whole blocks, over that of independent ones; at least 1."""
    if blocks is None:
        return 1.0
    _, numbers = np.unique(blocks, return_inverse=True)
    sizes = np.bincount(numbers)
    if len(sizes) < _LEAST_BLOCKS:
        return 1.0
    centred = np.bincount(numbers, within) - within.mean() * sizes
    variance = (centred**2).sum() * len(sizes) / (len(sizes) - 1)
    return max(1.0, float(variance / (len(within) * share * (1 - share))))


def _between(samples: Samples, percent: float, rounds: Labels | None) -> float:
    """Half the width of Student's interval over the rounds' logarithms; 0 of a single round."""
    if rounds is None:
        return 0.0
    parts: Sequence[Samples] = [samples[rounds == number] for number in np.unique(rounds)]
    if len(parts) < 2:
        return 0.0
    told = percent if min(len(one) for one in parts) >= minimum(percent) else 50
    logs = [math.log(max(1, nearest_rank(one, told))) for one in parts]
    return t_quantile(_TAIL, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))

"""Where two executions of one graph part: by the signal-to-noise ratio of each value inside."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

# Float32 kernels that sum in another order stay above 90 dB on the deepest networks seen; a wrong constant, padding or
# rounding mode falls below 40 dB at once.
PARTED_DB = 60.0


@dataclasses.dataclass(frozen=True)
class Divergence:
    """A value inside the graph: its name, its signal-to-noise ratio in dB (infinite for equal values), the largest
    absolute difference, and the last value before it that agrees (None for the first).
    """

    name: str
    snr_db: float
    max_abs: float
    after: str | None


def signal_to_noise_db(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> float:
    """10 log10(sum reference^2 / sum (reference - candidate)^2); infinite for equal values, minus infinite for noise
    on a signal of zeros.

    >>> signal_to_noise_db(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    20.0
    """
    noise = float(np.square(reference.astype(np.float64) - candidate.astype(np.float64)).sum())
    signal = float(np.square(reference.astype(np.float64)).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def first_divergence(
    reference: Mapping[str, npt.NDArray[Any]], candidate: Mapping[str, npt.NDArray[Any]], below_db: float = PARTED_DB
) -> Divergence | None:
    """The first value, in the candidate's order of computation, whose ratio is below `below_db`; None where all agree.

    Only values that both have under one name, in one shape, are compared.
    """
    after = None
    for name, value in candidate.items():
        expected = reference.get(name)
        if expected is None or expected.shape != value.shape:
            continue
        ratio = signal_to_noise_db(expected, value)
        if not ratio >= below_db:
            largest = float(np.abs(expected.astype(np.float64) - value).max())
            return Divergence(name, ratio, largest, after)
        after = name
    return None

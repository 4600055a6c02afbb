"""How far accuracy spreads over settings, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95


def setting_deviation(settings: Sequence[npt.NDArray[np.bool_]]) -> tuple[float, tuple[float, float] | None]:
    """The standard deviation of accuracy over settings, dividing by their number as RobustART's code does, and its 95 %
    interval over images like these; None where all settings are equally accurate. settings: bool [N] each.

    The interval is of the linearised deviation: an image adds to it what it adds to each accuracy, weighted by how far
    that lies from the mean. It is narrow for what the settings do to these images; that few images make accuracies
    differ by chance alone, too, it does not take off. ValueError for less than two settings.

    >>> right, half = np.ones(100, bool), np.arange(100) < 50
    >>> setting_deviation([right, half])[0]
    0.25
    """
    if len(settings) < 2:
        raise ValueError("a deviation needs two settings")
    means = np.array([float(one.mean()) for one in settings])
    apart = means - means.mean()
    deviation = float(np.sqrt((apart**2).mean()))
    if deviation == 0:
        return deviation, None
    each = np.zeros(len(settings[0]))
    for weight, one in zip(apart / (len(settings) * deviation), settings, strict=True):
        each += weight * one
    reach = Z95 * math.sqrt(float(each.var()) / len(each))
    return deviation, (max(0.0, deviation - reach), deviation + reach)

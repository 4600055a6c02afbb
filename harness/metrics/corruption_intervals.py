"""Intervals of the corruption errors, from each image's answers.

Against published errors (AlexNet's) mCE is a weighted sum of shares, and its interval that of `weighted`. Against the
reference on the same images it is a mean of ratios; both sides vary, and they vary together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95
from seatrial.harness.metrics.corruption_error import Errors
from seatrial.harness.metrics.weighted import weighted_interval

Answers = npt.NDArray[np.bool_]
# Corruption -> for each severity, bool [N]: which images are wrong. Asked for one after the other, so that it may read
# them on access.
Wrong = Mapping[str, Sequence[Answers]]
_Values = npt.NDArray[np.float64]


def plain_mean_error_interval(wrong: Wrong) -> tuple[float, float]:
    """Of `plain_mean_error`, in per cent."""
    return weighted_interval((100 / len(row) / len(wrong), answers) for row in wrong.values() for answers in row)


def mean_corruption_error_interval(wrong: Wrong, baseline: Errors) -> tuple[float, float] | None:
    """Of `mean_corruption_error` against a published baseline, in per cent; None where that is None."""
    below = {name: sum(baseline[name]) for name in wrong}
    if any(value <= 0 for value in below.values()):
        return None
    share = 100 / len(wrong)
    return weighted_interval((share / below[name], answers) for name, row in wrong.items() for answers in row)


def relative_mean_corruption_error_interval(
    wrong: Wrong, clean: Answers, baseline: Errors, baseline_clean: float
) -> tuple[float, float] | None:
    """Of `relative_mean_corruption_error` against a published baseline, in per cent; None where that is None.

    clean: bool [N], which images are wrong without corruption: they enter with a negative weight.
    """
    below = {name: sum(error - baseline_clean for error in baseline[name]) for name in wrong}
    if any(value <= 0 for value in below.values()):
        return None
    weights = {name: 100 / len(wrong) / value for name, value in below.items()}
    terms = ((weights[name], answers) for name, row in wrong.items() for answers in row)
    of_clean = -sum(weight * len(wrong[name]) for name, weight in weights.items())
    return weighted_interval(itertools.chain(terms, [(of_clean, clean)]))


def mean_corruption_error_ratio_interval(wrong: Wrong, reference: Wrong) -> tuple[float, float] | None:
    """Of `mean_corruption_error` against the reference's errors on the same images, in per cent."""
    return _ratio_interval(wrong, lambda name: _summed(wrong[name]), lambda name: _summed(reference[name]))


def relative_mean_corruption_error_ratio_interval(
    wrong: Wrong, clean: Answers, reference: Wrong, reference_clean: Answers
) -> tuple[float, float] | None:
    """Of `relative_mean_corruption_error` against the reference on the same images, in per cent.

    None where the reference's excess is not above zero for every corruption.
    """
    return _ratio_interval(
        wrong,
        lambda name: _summed(wrong[name]) - len(wrong[name]) * clean,
        lambda name: _summed(reference[name]) - len(wrong[name]) * reference_clean,
    )


def _ratio_interval(
    wrong: Wrong, above: Callable[[str], _Values], below: Callable[[str], _Values]
) -> tuple[float, float] | None:
    """95 % interval of the mean over corruptions of sum(above) / sum(below), in per cent.

    Linearised (the delta method: Cochran, "Sampling Techniques", 1977, section 6.4): an image contributes (above -
    ratio * below) / mean(below) to the deviation of a ratio, summed over the corruptions, on which its answers hang
    together. Two images are added, as Bonett and Price do: one that the target alone gets wrong under everything, one
    that the reference alone does. In logarithms, since a ratio's distribution is skewed and above zero.
    """
    deviations: _Values | None = None
    ratios = []
    for name, row in wrong.items():
        first, second = np.append(above(name), (len(row), 0)), np.append(below(name), (0, len(row)))
        base = float(second.mean())
        if base <= 0:
            return None
        ratios.append(float(first.mean()) / base)
        step = (first - ratios[-1] * second) / base / len(wrong)
        deviations = step if deviations is None else deviations + step
    centre = sum(ratios) / len(ratios) if ratios else 0.0
    if deviations is None or centre <= 0:
        return None
    spread = Z95 * math.sqrt(float((deviations**2).mean()) / len(deviations)) / centre
    return 100 * centre * math.exp(-spread), 100 * centre * math.exp(spread)


def _summed(row: Sequence[Answers]) -> _Values:
    total = np.zeros(len(row[0]))
    for answers in row:
        total += answers
    return total

"""Corruption error: ImageNet-C's mCE and relative mCE, CIFAR-10-C's plain mean, and means per family.

Errors are 1 - top-1, in 0..1; every result is in per cent, as mCE is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Errors = Mapping[str, Sequence[float]]

# Top-1 errors of AlexNet at severities 1 to 5, by which mCE is normalised (hendrycks/robustness; per-severity rows as
# stored by RobustBench, whose means are the official vector).
ALEXNET: dict[str, tuple[float, float, float, float, float]] = {
    "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
    "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
    "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
    "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
    "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
    "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
    "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
    "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
    "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
    "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
    "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
    "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
}
# torchvision's AlexNet: 56.52 % top-1 on clean images. RobustBench stores 43.76 % error on its 5,000.
ALEXNET_CLEAN = 0.4348


def mean_corruption_error(errors: Errors, baseline: Errors) -> float | None:
    """mCE (Hendrycks and Dietterich 2019): mean over corruptions of sum_s E / sum_s E_baseline, in per cent.

    None where the baseline makes no error on a corruption. ValueError where the corruptions differ.

    >>> mean_corruption_error({"fog": [0.2, 0.4]}, {"fog": [0.4, 0.8]})
    50.0
    """
    _check(errors, baseline)
    totals = [(sum(errors[name]), sum(baseline[name])) for name in errors]
    return _mean_ratio(totals)


def relative_mean_corruption_error(
    errors: Errors, clean: float, baseline: Errors, baseline_clean: float
) -> float | None:
    """Relative mCE: the same of the errors' excess over the clean error, for both.

    None where the baseline's excess is not above zero for every corruption.

    >>> round(relative_mean_corruption_error({"fog": [0.3, 0.5]}, 0.1, {"fog": [0.5, 0.7]}, 0.2), 6)
    75.0
    """
    _check(errors, baseline)
    totals = [
        (sum(error - clean for error in errors[name]), sum(error - baseline_clean for error in baseline[name]))
        for name in errors
    ]
    return _mean_ratio(totals)


def plain_mean_error(errors: Errors) -> float:
    """CIFAR-10-C's convention: the mean error over corruptions of the mean over severities, in per cent.

    >>> plain_mean_error({"fog": [0.2, 0.4], "snow": [0.5, 0.7]})
    45.0
    """
    return 100 * sum(sum(row) / len(row) for row in errors.values()) / len(errors)


def _mean_ratio(totals: list[tuple[float, float]]) -> float | None:
    if any(below <= 0 for _, below in totals):
        return None
    return 100 * sum(above / below for above, below in totals) / len(totals)


def _check(errors: Errors, baseline: Errors) -> None:
    if not errors or errors.keys() != baseline.keys() or any(len(errors[n]) != len(baseline[n]) for n in errors):
        raise ValueError("errors and baseline must hold the same corruptions and severities")

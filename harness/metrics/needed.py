"""How many images would decide what these leave open."""

from __future__ import annotations

import bisect
from statistics import NormalDist

from seatrial.harness.metrics.paired import ALPHA, Differences

# Beyond this no number is named: the difference lies on the limit, as far as can be told.
MOST = 10_000_000


def images_needed(found: Differences, limit: float, alpha: float = ALPHA) -> int | None:
    """The number from which on the interval of the mean leaves out the limit, if the images to come are like these;
    None for more than MOST.

    >>> images_needed(Differences.counted(4, 2, 200), -0.02)
    1205
    """

    def decided(images: int) -> bool:
        share = images / found.images
        low, high = Differences(found.total * share, found.squares * share, images).interval(alpha)
        return not low <= limit <= high

    if not decided(MOST):
        return None
    return bisect.bisect_left(range(MOST), True, lo=1, key=decided)


def images_to_detect(loss: float, churn: float, *, power: float = 0.9, alpha: float = ALPHA) -> int | None:
    """The number from which on a loss, 0 to 1, is told from none with the given power, where `churn` of the images
    flip, or as many as are lost if that is more; None for more than MOST.

    >>> images_to_detect(0.005, 0.02)
    8495
    """
    flips = max(churn, loss)
    normal = NormalDist()
    reach = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)

    def detected(images: int) -> bool:
        centre, error = Differences(-loss * images, flips * images, images).centre_and_error()
        return centre + reach * error < 0

    if not detected(MOST):
        return None
    return bisect.bisect_left(range(MOST), True, lo=1, key=detected)

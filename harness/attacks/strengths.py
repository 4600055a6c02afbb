"""RobustMQ's strengths in L1 and L2 for images of any size.

They were chosen for 3 x 224 x 224 values. An image of n values has the same mean change per value where an L1 norm is
n / 150,528 times as large, and an L2 norm the root of that: else a strength that is small at 224 px leaves nothing of
an image of 32 px. L-inf needs nothing.
"""

from __future__ import annotations

from typing import Any

from seatrial.harness.attacks.ids import STRENGTHS

PAPER_VALUES = 3 * 224 * 224
# Power of the share of values that a strength goes with.
_POWERS = {"linf": 0.0, "l2": 0.5, "l1": 1.0}
# RobustART's, in units of pixels in [0, 1], at every radius: ART's dense steps in L1.
_DENSE_L1_STEP = 120.0


def study_strengths(norm: str, values: int = PAPER_VALUES) -> tuple[float, float, float]:
    """Small, mid and large for images of so many values, to three digits; the papers' own at 3 x 224 x 224.

    >>> study_strengths("l2"), study_strengths("l2", 3 * 32 * 32), study_strengths("l1", 3 * 32 * 32)
    ((0.5, 2.0, 8.0), (0.0714, 0.286, 1.14), (2.04, 8.16, 32.7))
    """
    factor = (values / PAPER_VALUES) ** _POWERS[norm]
    small, mid, large = (float(f"{eps * factor:.3g}") for eps in STRENGTHS[norm])
    return small, mid, large


def dense_l1_step(values: int) -> float:
    """Of `pgd-dense-l1`: RobustART's 120, as the strengths in L1 are."""
    return _DENSE_L1_STEP * values / PAPER_VALUES


def sized(attack: str, values: int) -> dict[str, Any]:
    """What of an attack hangs on the number of values, as JSON values: it shapes the images."""
    return {"step": dense_l1_step(values)} if attack == "pgd-dense-l1" else {}

"""Checks of one target against the reference: how much of its accuracy is left, and what flipped."""

from __future__ import annotations

from seatrial.harness.metrics.accuracy import binomial_tail, wilson_interval
from seatrial.harness.metrics.needed import images_needed
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.results.check import Check, at_least, at_most
from seatrial.harness.results.checks.words import change, told
from seatrial.harness.spec.gate import Limit


def recovery(name: str, target: str, on: str, reference: float, found: Differences, limit: Limit) -> Check:
    """Whether the accuracy is at least the limit's per cent of the reference's.

    on: what the images are, in words. reference: its top-1, 0 to 1. found: target against reference.
    """
    assert limit.value is not None
    lost = -(1 - limit.value / 100) * reference
    interval = found.interval()
    answer = at_least(lost, interval)
    needed = images_needed(found, lost) if answer == "inconclusive" else None
    says = (
        f"{on} {reference * 100:.2f} -> {(reference + found.mean) * 100:.2f} %, {change(found.mean, interval)}; "
        f"{-lost * 100:.2f} may be lost ({limit.value:g} % recovery)"
    )
    return Check(
        name=name,
        target=target,
        answer=answer,
        says=told(says, answer, found.images, needed),
        measured=found.mean,
        interval=interval,
        limit=lost,
        unit="points",
        p=found.p_below(lost),
        images=found.images,
        needed=needed,
        binding=limit.binding,
    )


def gain(target: str, on: str, found: Differences, limit: Limit) -> Check:
    """Whether a gain over the reference is too large to be one: it is other weights, or a damaged reference."""
    assert limit.value is not None
    most, interval = limit.value / 100, found.interval()
    answer = at_most(most, interval)
    needed = images_needed(found, most) if answer == "inconclusive" else None
    says = f"{on} {change(found.mean, interval)} against the reference; above {limit.value:g} a gain is implausible"
    return Check(
        name="implausible gain",
        target=target,
        answer=answer,
        says=told(says, answer, found.images, needed),
        measured=found.mean,
        interval=interval,
        limit=most,
        unit="points",
        p=1 - found.p_below(most),
        images=found.images,
        needed=needed,
        binding=limit.binding,
        suspect=True,
    )


def negative_flips(target: str, worse: int, images: int, limit: Limit) -> Check:
    """Whether the share of images that only the reference gets right is at most the limit."""
    assert limit.value is not None
    most, interval = limit.value / 100, wilson_interval(worse, images)
    answer = at_most(most, interval)
    # Each image counts 0 or 1; that is half of a difference between -1 and 1.
    needed = images_needed(Differences(worse, worse, images), most) if answer == "inconclusive" else None
    says = (
        f"{worse} of {images:,} clean images right on the reference are wrong, {worse / images * 100:.2f} % "
        f"({interval[0] * 100:.2f} to {interval[1] * 100:.2f}); at most {limit.value:g} may be"
    )
    return Check(
        name="negative flips",
        target=target,
        answer=answer,
        says=told(says, answer, images, needed),
        measured=worse / images,
        interval=interval,
        limit=most,
        unit="share",
        p=binomial_tail(worse, images, most),
        images=images,
        needed=needed,
        binding=limit.binding,
    )

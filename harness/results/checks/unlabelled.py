"""The checks of images without labels: whether a target answers as the reference, or as it did in the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.metrics.accuracy import binomial_tail
from seatrial.harness.metrics.likeness import images_to_decide
from seatrial.harness.results.check import Check, at_least
from seatrial.harness.results.checks.words import told
from seatrial.harness.spec.gate import Limit


def agreement(target: str, condition: str, found: Mapping[str, Any], limit: Limit) -> Check:
    """Whether at least the limit's per cent of the images get the reference's class.

    found: as `results.unlabelled.likeness_values` gives it, of that condition.
    """
    return _agreement("agreement", target, (condition, "the reference's class"), found, limit)


def baseline_agreement(target: str, condition: str, found: Mapping[str, Any], limit: Limit) -> Check:
    """Whether they get the class that the target gave them in the baseline."""
    return _agreement("baseline agreement", target, (condition, "the baseline's class"), found, limit)


def _agreement(name: str, target: str, on: tuple[str, str], found: Mapping[str, Any], limit: Limit) -> Check:
    condition, whose = on
    assert limit.value is not None
    least, images = limit.value / 100, found["images"]
    interval = (found["agreement_ci95"][0], found["agreement_ci95"][1])
    answer = at_least(least, interval)
    needed = images_to_decide(found["agreement"], least) if answer == "inconclusive" else None
    says = (
        f"{condition}: {found['agreement'] * 100:.2f} % of {images:,} images get {whose} "
        f"({interval[0] * 100:.2f} to {interval[1] * 100:.2f}); at least {limit.value:g} should"
    )
    return Check(
        name=name,
        target=target,
        answer=answer,
        says=told(says, answer, images, needed),
        measured=found["agreement"],
        interval=interval,
        limit=least,
        unit="share",
        subject=condition,
        p=binomial_tail(round((1 - found["agreement"]) * images), images, 1 - least),
        images=images,
        needed=needed,
        binding=limit.binding,
    )

"""The check of images without labels: whether a target answers as the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.metrics.likeness import images_to_decide
from seatrial.harness.results.check import Check, at_least
from seatrial.harness.results.checks.words import more
from seatrial.harness.spec.gate import Limit


def agreement(target: str, condition: str, found: Mapping[str, Any], limit: Limit) -> Check:
    """Whether at least the limit's per cent of the images get the reference's class.

    found: as `results.unlabelled.likeness_values` gives it, of that condition.
    """
    assert limit.value is not None
    least, images = limit.value / 100, found["images"]
    interval = (found["agreement_ci95"][0], found["agreement_ci95"][1])
    answer = at_least(least, interval)
    needed = images_to_decide(found["agreement"], least) if answer == "inconclusive" else None
    says = (
        f"{condition}: {found['agreement'] * 100:.2f} % of {images:,} images get the reference's class "
        f"({interval[0] * 100:.2f} to {interval[1] * 100:.2f}); at least {limit.value:g} should"
    )
    return Check(
        name="agreement",
        target=target,
        answer=answer,
        says=says if answer != "inconclusive" else f"{says}: {more(images, needed)}",
        measured=found["agreement"],
        interval=interval,
        limit=least,
        unit="share",
        subject=condition,
        images=images,
        needed=needed,
        binding=limit.binding,
    )

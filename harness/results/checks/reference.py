"""Whether the reference itself can be trusted."""

from __future__ import annotations

from seatrial.harness.metrics.needed import images_needed
from seatrial.harness.results.check import Check, at_least
from seatrial.harness.results.checks.words import more
from seatrial.harness.results.evidence import ReferenceEvidence
from seatrial.harness.spec.gate import Limit

REFERENCE_CHECK = "reference"
_LOOK = "check labels and input contract (`bench.py contract`)"


def reference(target: str, top1: float, found: ReferenceEvidence, limit: Limit) -> Check:
    """Passes where the reference is better than always naming the commonest class, by the limit's per cent of the room
    there is above that: if not, every comparison with it is empty. Fails where it is not, and where it has one answer
    for everything.

    top1: of the reference, 0 to 1. The share of the room is the skill score of forecast verification (D. S. Wilks,
    "Statistical Methods in the Atmospheric Sciences"), Cohen's kappa against a constant answer.
    """
    assert limit.value is not None
    interval, least = found.skill.interval(), limit.value / 100 * (1 - found.common)
    answer = "inconclusive" if found.one_label else "fail" if found.one_class else at_least(least, interval)
    needed = images_needed(found.skill, least) if answer == "inconclusive" and not found.one_label else None
    says = f"top-1 is {top1 * 100:.2f} %; always naming the commonest class gives {found.common * 100:.2f} %"
    if found.one_class:
        says = f"it gives one class to all {found.skill.images:,} images; {_LOOK}"
    elif found.one_label:
        says = f"top-1 is {top1 * 100:.2f} % of images that all have one label: whether it knows others cannot be told"
    elif answer == "fail":
        says = f"{says}; {_LOOK}"
    elif answer == "inconclusive":
        says = f"{says}: {more(found.skill.images, needed)}"
    return Check(
        name=REFERENCE_CHECK,
        target=target,
        answer=answer,
        says=says,
        measured=found.skill.mean,
        interval=interval,
        limit=least,
        unit="points",
        images=found.skill.images,
        needed=needed,
        binding=limit.binding,
        suspect=True,
    )

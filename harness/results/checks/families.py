"""Checks of many at once: no single condition, and no class, beyond a limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from seatrial.harness.metrics.family import holm
from seatrial.harness.metrics.needed import images_needed
from seatrial.harness.metrics.paired import ALPHA, Differences
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.words import change, more
from seatrial.harness.spec.gate import Limit


@dataclasses.dataclass(frozen=True)
class Family:
    """The members of one check of one target, by name, in the order of reports. member, members: the word for one and
    for several. suffix: what they are compared with, in words. prefix: stands before
    a name. few: members that are left out, since so few images could never fail.
    """

    name: str
    target: str
    members: Mapping[str, Differences]
    limit: Limit
    word: str
    words: str
    suffix: str = "against the reference"
    prefix: str = ""
    few: int = 0


def of_classes(family: Family) -> Family:
    """Without the classes of so few images that the loss of all would not be beyond doubt, even alone: they would only
    make the others' failures harder to see (Tarone, "A modified Bonferroni method for discrete data", 1990).
    """
    limit = (family.limit.value or 0.0) / 100
    kept = {
        name: found
        for name, found in family.members.items()
        if Differences.counted(found.images, 0, found.images).p_below(-limit) <= ALPHA / 2
    }
    return dataclasses.replace(family, members=kept, few=len(family.members) - len(kept))


def judge(families: Sequence[Family]) -> list[Check]:
    """A check for each family that has members.

    It fails where one of its members lies beyond the limit beyond doubt: by Holm's procedure over all members of all
    families of the run, so that the unluckiest of many conditions, classes and targets is no failure. It passes where
    the 95 % interval of every member lies within the limit: there are no lucky ones among those that all must.
    """
    asked = [family for family in families if family.members and family.limit.value is not None]
    chances = {
        (index, member): found.p_below(-_limit(family))
        for index, family in enumerate(asked)
        for member, found in family.members.items()
    }
    # One side of what is two-sided elsewhere.
    beyond = holm(chances, ALPHA / 2)
    return [
        _check(family, [member for member in family.members if (index, member) in beyond], len(chances))
        for index, family in enumerate(asked)
    ]


def _limit(family: Family) -> float:
    assert family.limit.value is not None
    return family.limit.value / 100


def _check(family: Family, beyond: Sequence[str], tests: int) -> Check:
    limit = _limit(family)
    near = {name: one.interval()[0] for name, one in family.members.items()}
    open_ = [name for name in near if near[name] < -limit]
    if beyond:
        subject = min(beyond, key=lambda name: family.members[name].mean)
    else:
        subject = min(near, key=lambda name: near[name])
    found = family.members[subject]
    interval = found.interval(ALPHA / tests) if beyond else found.interval()
    at_worst = f"{family.prefix}{subject} {change(found.mean, interval)}"
    needed = None
    if beyond:
        rest = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
        says = (
            f"{at_worst}{rest}, of {_counted(family)}, {'lose' if rest else 'loses'} more than "
            f"{family.limit.value:g} points {family.suffix}, beyond doubt among {tests:,} tests"
        )
    elif open_:
        counts = [images_needed(family.members[name], -limit) for name in open_]
        needed = None if None in counts else max(count for count in counts if count is not None)
        says = (
            f"{len(open_)} of {_counted(family)} may lose more than {family.limit.value:g} points {family.suffix}, at "
            f"worst {at_worst}: {more(found.images, needed)}"
        )
    else:
        says = (
            f"none of {_counted(family)} loses more than {family.limit.value:g} points {family.suffix}, at worst "
            f"{at_worst}"
        )
    return Check(
        name=family.name,
        target=family.target,
        answer="fail" if beyond else "inconclusive" if open_ else "pass",
        says=says,
        measured=found.mean,
        interval=interval,
        limit=-limit,
        unit="points",
        subject=subject,
        images=found.images,
        needed=needed,
        binding=family.limit.binding,
    )


def _counted(family: Family) -> str:
    count = len(family.members)
    rest = f" ({family.few} more have too few images to be judged)" if family.few else ""
    return f"{count} {family.word if count == 1 else family.words}{rest}"

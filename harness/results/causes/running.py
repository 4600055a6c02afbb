"""What is wrong with how a target runs, or with how it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.harness.guard.verdict import LARGE_SHARE
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.finding import Finding
from seatrial.harness.results.shares import spelled

# Share of images to which independent builds may give different classes.
_ALIKE = 0.99


def departing(case: Case) -> Iterator[Finding]:
    """The engine does not compute what its file says: sums that overflow, or a fault of the runtime."""
    for target in case.targets[1:]:
        guard = target.guard
        if not guard or guard["not_looked"] is not None:
            continue
        saturating = guard.get("saturating") or (0, 0)
        overflow = saturating[0] > 0
        told = guard.get("optimised")
        if told and told["labels_changed"] >= LARGE_SHARE * guard["images"]:
            yield Finding(
                cause="optimiser",
                target=target.id,
                says=(
                    f"{target.engine}'s optimiser changes what the file computes: {told['labels_changed']} of "
                    f"{guard['images']} images get another label; the figures are of the file as written"
                ),
                remedy="Test what ships, too: the command asks for it in a run of its own.",
                command=case.commands.again("optimised", "--optimization", told["level"]),
                likelihood=0.4,
                evidence=dict(guard),
            )
        if guard["faithful"] and not overflow:
            continue
        sure = not guard["faithful"]
        losing = target.id in case.suspects
        if overflow:
            yield Finding(
                cause="saturation",
                target=target.id,
                says=f"{saturating[0]} of {saturating[1]} layers can overflow 16-bit sums on this processor"
                + (f"; its answers change on {guard['labels_changed']} of {guard['images']} images" if sure else ""),
                **_without_overflow(case, target.id, guard.get("way_out")),
                likelihood=0.95 if sure else 0.6 if losing else 0.2,
                evidence=dict(guard),
            )
        elif sure:
            yield Finding(
                cause="engine",
                target=target.id,
                says=f"the engine does not compute what its file says: {guard['snr_db']:.1f} dB at the scores",
                remedy="Another optimisation level, another version, or these nodes in float; the command shows where; "
                "--engine pytorch runs what the file says.",
                command=case.commands.diff(case.spec(target.id), "--same-file"),
                likelihood=0.9 if losing else 0.55,
                evidence=dict(guard),
            )


def _without_overflow(case: Case, target: str, way_out: str | None) -> dict[str, Any]:
    """Remedy and command. way_out: the optimisation level at which the file is right. A file that came as it is cannot
    be made anew.
    """
    if target in case.made_here:
        remedy = "Make one file for all processors, whose weights leave no sum to overflow."
        return {"remedy": remedy, "command": case.commands.again("portable", "--portable")}
    remedy = "The file came so; one made of the float model with --portable leaves no sum to overflow."
    if way_out is None:
        return {"remedy": remedy, "command": None}
    remedy += " With less optimisation the engine computes what this one says."
    return {"remedy": remedy, "command": case.commands.again("optimised", "--optimization", way_out)}


def fallback(case: Case) -> Iterator[Finding]:
    """Layers run at another precision than the requested one."""
    for one in case.checks:
        if one.name != "realized" or one.answer != "fail":
            continue
        reasons = (one.fallback or {}).get("reasons") or []
        why = f": {reasons[0]['reason']} ({spelled(reasons[0]['share'])})" if reasons else ""
        yield Finding(
            cause="fallback",
            target=one.target,
            says=f"{one.says}{why}",
            remedy="Take another engine, another recipe or optimisation level, or accept it: --allow-fallback.",
            command="python bench.py doctor",
            likelihood=0.9,
            evidence=dict(one.fallback or {}),
        )


def rebuilds(case: Case) -> Iterator[Finding]:
    """Independent builds of the same file do not answer alike."""
    for target in case.targets[1:]:
        found = target.rebuilds
        if not found or found["agreement"] >= _ALIKE:
            continue
        top1 = found["top1"]
        yield Finding(
            cause="rebuild-variance",
            target=target.id,
            says=(
                f"{found['builds']} builds of the same file agree on {found['agreement']:.1%} of the images"
                + ("" if top1 is None else f"; top-1 {top1['min']:.2%} to {top1['max']:.2%}")
            ),
            remedy="Ship one built engine and test that one; or build without timing tactics against each other.",
            command=case.commands.again("rebuilds", "--rebuilds", str(found["builds"] + 2)),
            likelihood=0.7 if target.id in case.suspects else 0.5,
            evidence=dict(found),
        )


def too_few(case: Case) -> Iterator[Finding]:
    """A check could not be answered with so many images."""
    open_ = [one for one in case.checks if one.binding == "yes" and one.answer == "inconclusive" and one.images]
    if not open_:
        return
    most = max(open_, key=lambda one: one.needed or 0)
    needed = most.needed
    yield Finding(
        cause="images",
        target=most.target,
        says=f"{len(open_)} checks are undecided with {most.images} images, {most.name} among them",
        remedy=_more_images(needed, case.commands.limit),
        # Without a limit, the data hold no more.
        command=case.commands.again("more", "--limit", str(needed)) if needed and case.commands.limit else None,
        likelihood=0.5,
        evidence={"checks": [one.name for one in open_], "needed": needed},
    )


def _more_images(needed: int | None, limit: int | None) -> str:
    if needed is None:
        return "More images alone will not decide it: it lies at the limit."
    digits = max(0, len(str(needed)) - 2)
    about = f"Test about {round(needed, -digits):,} images"
    return f"{about}." if limit else f"{about}; --data has no more than these."

"""Accuracy against the strength of an attack, a target beside its reference: which curves a run has, and where they
cross.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from seatrial.harness.attacks.ids import ATTACKS, SOURCE, parse_attack
from seatrial.harness.conditions.kinds.attack.gathered import Attacked
from seatrial.harness.metrics.crossing import Passage, crossing


def describe_crossings(target: Attacked, reference: Attacked, files: Collection[str]) -> list[dict[str, Any]]:
    """JSON values, in the order of reports: attacks that were run at two strengths or more. files: of all targets.

    Each target is attacked on its own file, which is the reference's for the reference; then both see the images of the
    source, and of other networks; then the images that queries found for each.
    """
    found = []
    for name, kind in ATTACKS.items():
        if kind.check:
            continue
        for surrogate in [None] if kind.blackbox else _surrogates(target, name, files):
            own = surrogate is not None and surrogate == target.file
            of_target = target.by_eps(name, surrogate)
            of_reference = reference.by_eps(name, reference.file if own else surrogate)
            strengths = [eps for eps in of_target if eps in of_reference]
            if len(strengths) < 2:
                continue
            curves = crossing(
                [0.0, *strengths],
                [target.clean, *(target.correct[of_target[eps]] for eps in strengths)],
                [reference.clean, *(reference.correct[of_reference[eps]] for eps in strengths)],
            )
            found.append(
                {
                    "attack": name,
                    "norm": kind.norm,
                    "made": "queries" if surrogate is None else "white box" if own else "transfer",
                    "surrogate": surrogate,
                    "eps": list(curves.eps),
                    "differences": list(curves.differences),
                    "p": list(curves.p),
                    "upward": _passage(curves.upward),
                    "downward": _passage(curves.downward),
                }
            )
    return found


def _surrogates(target: Attacked, name: str, files: Collection[str]) -> list[str]:
    """The target's own file first, then the others but for the files of other targets, beside the source."""
    made = [str(parse_attack(one).surrogate) for one in target.correct if parse_attack(one).name == name]
    kept = [one for one in dict.fromkeys(made) if one in (target.file, SOURCE) or one not in files]
    return sorted(kept, key=lambda one: one != target.file)


def _passage(passage: Passage) -> dict[str, Any]:
    interval = None if passage.ci95 is None else list(passage.ci95)
    return {**dataclasses.asdict(passage), "ci95": interval}

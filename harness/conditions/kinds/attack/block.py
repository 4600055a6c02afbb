"""The block `attacks` of summary.json: what is left of each target under attack, and whether that can be believed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from seatrial.harness.attacks.ids import SOURCE, is_attack, parse_attack
from seatrial.harness.conditions.kinds.attack.crossings import describe_crossings
from seatrial.harness.conditions.kinds.attack.gathered import Answers, Attacked, Correct, ReadRows, gather
from seatrial.harness.conditions.kinds.attack.masking import masking_findings
from seatrial.harness.metrics import attack as metrics
from seatrial.harness.metrics.accuracy import accuracy, wilson_interval
from seatrial.harness.metrics.masking import verdict
from seatrial.harness.metrics.paired import paired_interval, paired_p

# In the order of reports.
_NORMS = ("linf", "l2", "l1")


def describe_attacks(
    answers: Answers, rows: ReadRows, reference: str, files: Mapping[str, str]
) -> dict[str, Any] | None:
    """JSON values; None where there are no attack conditions.

    answers: target id -> condition id -> prediction rows, `clean` among them (KeyError if not), conditions in the order
    of the run; a condition that a target could not answer is missing. rows: (target id, condition id) -> what is known
    of the images. Both are read once, condition by condition. reference: the float target that the others are a
    quantized form of. files: target id -> the surrogate that is its own file.
    """
    if not any(is_attack(condition) for own in answers.values() for condition in own):
        return None
    found = gather(answers, rows, reference, files)
    of_targets = {target.file for target in found.values()}
    return {
        "conditions": _conditions(found),
        "targets": {
            target.name: _target(target, found[reference] if target.name != reference else None, of_targets)
            for target in found.values()
        },
    }


def _conditions(found: Mapping[str, Attacked]) -> dict[str, dict[str, Any]]:
    """What is the same for all targets."""
    described: dict[str, dict[str, Any]] = {}
    for target in found.values():
        for condition, rows in target.rows.items():
            attack = parse_attack(condition)
            made = attack.surrogate is not None
            described[condition] = described.get(condition) or {
                "attack": attack.name,
                "norm": attack.kind.norm,
                "eps": attack.eps,
                "surrogate": attack.surrogate,
                "eight_bit": attack.eight_bit,
                "check": attack.kind.check,
                "surrogate_top1": accuracy(rows.correct) if made else None,
                "surrogate_fooled": _values(metrics.rate(~rows.correct, rows.clean_correct)) if made else None,
            }
    return described


def _target(target: Attacked, reference: Attacked | None, files: Collection[str]) -> dict[str, Any]:
    findings = masking_findings(target)
    worth = verdict(findings)
    return {
        "file": target.file,
        "clean_top1": accuracy(target.clean),
        "masking": {
            "verdict": worth,
            "checks": [{**dataclasses.asdict(one), "missing": list(one.missing)} for one in findings],
        },
        "conditions": {name: {"masking": worth, **_condition(target, name, reference)} for name in target.correct},
        "own": [] if reference is None else _own(target, reference),
        "wcar": [{"masking": worth, **row} for row in _worst_cases(target)],
        "crossings": []
        if reference is None
        else [{"masking": worth, **row} for row in describe_crossings(target, reference, files)],
    }


def _own(target: Attacked, reference: Attacked) -> list[dict[str, Any]]:
    """The same attacks, each with the gradients of the file that it is run against: target against reference."""
    found = []
    for name in target.white_box:
        attack = parse_attack(name)
        twin = reference.by_eps(attack.name, reference.file).get(attack.eps)
        if twin is None or attack.kind.check:
            continue
        own, base = target.correct[name], reference.correct[twin]
        worse, better = int(np.count_nonzero(base & ~own)), int(np.count_nonzero(own & ~base))
        found.append({"attack": twin, "on": name, "worse": worse, "better": better, "images": len(own)})
    return found


def _condition(target: Attacked, name: str, reference: Attacked | None) -> dict[str, Any]:
    correct, rows, surrogate = target.correct[name], target.rows[name], parse_attack(name).surrogate
    transfer = evasion = queries = None
    if surrogate is None:
        queries = {
            "attacked": _values(metrics.query_counts(rows.queries, rows.clean_correct)),
            "successful": _values(metrics.query_counts(rows.queries, rows.clean_correct & ~rows.correct)),
        }
    else:
        transfer = metrics.transfer_rate(rows.clean_correct, target.clean, correct)
        if reference is not None and name in reference.correct:
            evasion = metrics.evasion(target.clean, correct, reference.clean, reference.correct[name])
    return {
        "white_box": surrogate == target.file,
        "top1": accuracy(correct),
        "top1_ci95": list(wilson_interval(int(np.count_nonzero(correct)), len(correct))),
        "ar": _values(metrics.conditional_accuracy(target.clean, correct)),
        "vs_reference": None
        if reference is None or name not in reference.correct
        else _against(target.clean, correct, reference.clean, reference.correct[name]),
        "transfer": _values(transfer),
        "evasion": None
        if evasion is None
        else {"evasive": _values(evasion.evasive), "noticed": _values(evasion.noticed)},
        "queries": queries,
        "distance_max": float(rows.distance.max()),
    }


def _against(clean: Correct, correct: Correct, base_clean: Correct, base: Correct) -> dict[str, Any]:
    worse, better = int(np.count_nonzero(base & ~correct)), int(np.count_nonzero(correct & ~base))
    return {
        "delta": (better - worse) / len(correct),
        "ci95": list(paired_interval(worse, better, len(correct))),
        "p": paired_p(worse, better, len(correct)),
        "ar": _values(metrics.conditional_difference(clean, correct, base_clean, base)),
    }


def _worst_cases(target: Attacked) -> list[dict[str, Any]]:
    """WCAR by norm and strength, and at last over all of them: of attacks on the target's own file, of the images made
    on the source where that is another one, and of everything that was run.

    Attacks that are there for the masking checks count, too: their images lie within eps like the others.
    """
    attacks = {name: parse_attack(name) for name in target.correct}
    groups = {(attack.kind.norm, attack.eps) for attack in attacks.values()}
    rows = []
    for norm, eps in [*sorted(groups, key=lambda group: (_NORMS.index(group[0]), group[1])), (None, None)]:
        names = [
            name for name, attack in attacks.items() if norm is None or (attack.kind.norm, attack.eps) == (norm, eps)
        ]
        views = {
            "white_box": [name for name in names if attacks[name].surrogate == target.file],
            "transfer": [name for name in names if target.file != SOURCE and attacks[name].surrogate == SOURCE],
            "all": names,
        }
        cases = {view: _worst_case(target, chosen) for view, chosen in views.items()}
        rows.append({"norm": norm, "eps": eps, **cases})
    return rows


def _worst_case(target: Attacked, names: list[str]) -> dict[str, Any] | None:
    if not names:
        return None
    found = metrics.worst_case(target.clean, [target.correct[name] for name in names])
    return None if found is None else {**_asdict(found), "attacks": names}


def _values(figures: Any) -> dict[str, Any] | None:
    return None if figures is None else _asdict(figures)


def _asdict(figures: Any) -> dict[str, Any]:
    values = dataclasses.asdict(figures)
    return {**values, "ci95": list(values["ci95"])} if "ci95" in values else values

"""All checks of a run, in the order in which they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines.audit import UNKNOWN
from seatrial.harness.conditions import CLEAN
from seatrial.harness.results.baseline.checks import baseline_checks
from seatrial.harness.results.baseline.compared import RunsCompared
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.accuracy import gain, negative_flips, recovery
from seatrial.harness.results.checks.built import alike, realized, repeated
from seatrial.harness.results.checks.costs import COSTS, costs
from seatrial.harness.results.checks.families import Family, judge, of_classes
from seatrial.harness.results.checks.reference import reference
from seatrial.harness.results.checks.robustness import attack_family, masking, pipeline_family
from seatrial.harness.results.checks.timed import timed_answers
from seatrial.harness.results.checks.together import together
from seatrial.harness.results.checks.unlabelled import agreement
from seatrial.harness.results.evidence import Evidence, ReferenceEvidence, names_of
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.typed import TargetResult
from seatrial.harness.spec.gate import GateOptions

CORRUPTION, ATTACK = "corruption", "attack"


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a run is judged by. targets: the reference first. evidence: target id -> counts. trust: of the reference;
    None where the images have no labels. audit: as in audit.json. blocks: of the kinds of conditions. kinds: condition
    id -> name of its kind. class_names: by number. nodes: target id -> as in nodes.json. here: board ->
    names of the place where its targets were timed; None is this machine.
    """

    targets: Sequence[TargetResult]
    evidence: Mapping[str, Evidence]
    trust: ReferenceEvidence | None
    audit: Mapping[str, Any]
    blocks: Mapping[str, Any]
    kinds: Mapping[str, str]
    class_names: Sequence[str] | None
    gate: GateOptions
    nodes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    here: Mapping[str | None, Sequence[str]] = dataclasses.field(default_factory=dict)


def checks_of(run: Judged, since: RunsCompared | None = None) -> list[Check]:
    """Of the reference, then target by target, then since the baseline, then of conditions and classes, which are
    judged together.
    """
    checks = [*_of_reference(run)]
    for target in run.targets[1:]:
        checks.extend(_of_target(run, target))
    families = [family for target in run.targets[1:] for family in _families(run, target)]
    families.extend(family for target in run.targets if (family := _pipeline(run, target)) is not None)
    if since is not None:
        further, more = baseline_checks(since, run.gate)
        checks, families = [*checks, *further], [*families, *more]
    return [*together(checks), *judge(families)]


def _of_reference(run: Judged) -> list[Check]:
    target = run.targets[0]
    found = [*_alike(run, target, run.audit.get("alike")), *_timed(target)]
    limit = run.gate.limit("reference", target.id)
    if run.trust is not None and limit.value is not None:
        conditions = run.evidence[target.id].conditions
        first = next(iter(target.conditions.values()))
        top1 = first.top1 if CLEAN in conditions else _mean_top1(target)
        found.append(reference(target.id, top1, run.trust, limit))
    return found


def _mean_top1(target: TargetResult) -> float:
    return sum(one.top1 for one in target.conditions.values()) / len(target.conditions)


def _alike(run: Judged, target: TargetResult, model: Mapping[str, Any] | None = None) -> list[Check]:
    asked, again = run.audit["targets"][target.id].get("alike"), run.nodes.get(target.id)
    found = [] if asked is None else [alike(target.id, asked, model)]
    return found if again is None else [*found, repeated(target.id, again)]


def _timed(target: TargetResult) -> list[Check]:
    found = timed_answers(target.id, target.timed)
    return [] if found is None else [found]


def _of_target(run: Judged, target: TargetResult) -> list[Check]:
    gate, evidence, base = run.gate, run.evidence[target.id], run.targets[0]
    found = [*_alike(run, target), *_timed(target)]
    limit = gate.limit("realized", target.id)
    # A simulated precision is realized by nothing, by definition.
    if not target.simulated and limit.value is not None:
        layers, share = run.audit["targets"][target.id]["layers"], target.metrics["share_as_requested"]
        nothing = _untold(layers)
        fallback = describe_fallback(layers) if nothing is None else None
        found.append(realized(target.id, share, limit, allowed=gate.allow_fallback, fallback=fallback, unknown=nothing))
    limit = gate.limit("agreement", target.id)
    if target.likeness and limit.value is not None:
        found.append(agreement(target.id, *next(iter(target.likeness.items())), limit))
    if CLEAN in evidence.conditions:
        found.extend(_of_clean(run, target, base.conditions[CLEAN].top1))
    corrupted, limit = evidence.means.get(CORRUPTION), gate.limit("corrupted_recovery", target.id)
    if corrupted is not None and limit.value is not None:
        on = f"corrupted, mean of {corrupted.conditions}:" if corrupted.conditions > 1 else "corrupted:"
        top1 = float(corrupted.reference_top1.mean())
        found.append(recovery("corrupted recovery", target.id, on, top1, corrupted.differences, limit))
    hidden = masking(target.id, run.blocks.get("attacks"), gate.limit("masking", target.id))
    figures = {
        "latency": target.latency,
        "energy": target.timed.get("energy"),
        "speedup": target.metrics.get("speedup"),
        "pace": target.pace,
        "engine_bytes": target.engine_bytes,
        "memory_bytes": target.memory_bytes,
    }
    limits = {name: gate.limit(name, target.id) for name in COSTS}
    return [
        *found,
        *([] if hidden is None else [hidden]),
        *costs(target.id, figures, limits, run.here.get(target.board, ())),
    ]


def _untold(layers: Sequence[Mapping[str, Any]]) -> str | None:
    """Why nothing is known of what it executes; None where something is. layers: as in audit.json."""
    if not layers or any(layer["realized"] != UNKNOWN for layer in layers):
        return None
    return next((layer["reason"] for layer in layers if layer.get("reason")), "the runtime shows none of its work")


def _of_clean(run: Judged, target: TargetResult, base: float) -> list[Check]:
    found, clean = [], run.evidence[target.id].conditions[CLEAN]
    limits = {name: run.gate.limit(name, target.id) for name in ("recovery", "negative_flips", "gain")}
    if limits["recovery"].value is not None:
        found.append(recovery("recovery", target.id, "clean:", base, clean, limits["recovery"]))
    if limits["negative_flips"].value is not None:
        worse = round((clean.squares - clean.total) / 2)
        found.append(negative_flips(target.id, worse, clean.images, limits["negative_flips"]))
    if limits["gain"].value is not None:
        found.append(gain(target.id, "clean:", clean, limits["gain"]))
    return found


def _families(run: Judged, target: TargetResult) -> list[Family]:
    evidence, gate = run.evidence[target.id], run.gate
    conditions = {
        name: found
        for name, found in evidence.conditions.items()
        if name != CLEAN and run.kinds.get(name) != ATTACK  # whose images are made to hit one of the two
    }
    names = names_of(run.class_names, evidence.classes)
    classes = {names[number]: found for number, found in evidence.classes.items()}
    attack = attack_family(target.id, run.blocks.get("attacks"), gate.limit("attack", target.id))
    limit = gate.limit("conditions", target.id)
    return [
        Family("conditions", target.id, conditions, limit, "condition", "conditions"),
        of_classes(
            Family("classes", target.id, classes, gate.limit("classes", target.id), "class", "classes", prefix="class ")
        ),
        *([] if attack is None else [attack]),
    ]


def _pipeline(run: Judged, target: TargetResult) -> Family | None:
    clean = target.conditions.get(CLEAN)
    if clean is None:
        return None
    return pipeline_family(target.id, run.blocks.get("pipeline"), clean.images, run.gate.limit("pipeline", target.id))

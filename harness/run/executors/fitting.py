"""Which nodes answer which targets: those where what shapes the answers is what the driver has, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.plan.keys import Identity
from seatrial.harness.records.differences import differences
from seatrial.harness.run.executors.messages import Ready

_NAMED = 6


def misfits(ready: Ready, identity: Identity, conditions: Sequence[str], files: Mapping[str, str]) -> dict[str, str]:
    """Target id -> why that node cannot answer it, in words; those that it can are missing.

    identity: the driver's. conditions: ids that the node makes the images of. files: target id -> digest of the file
    that the driver built, of the targets that are asked.
    """
    failed = {one.target: one.says for one in ready.failures}
    whole = differences(dict(identity.run), dict(ready.run), "run")
    for name in conditions:
        whole.extend(differences(identity.conditions[name], ready.conditions.get(name), name))
    found = {}
    for target, digest in files.items():
        if target in failed:
            found[target] = f"it cannot build it: {failed[target]}"
            continue
        there = ready.targets.get(target)
        differing = whole + differences(identity.targets[target], there, "target")
        if differing:
            found[target] = _words(differing, identity.targets[target], there)
        elif ready.files.get(target) != digest:
            found[target] = "the file that it made of it has other bits"
    return found


def _words(differing: Sequence[str], here: Mapping[str, Any], there: Any) -> str:
    processors = [_processor(one) for one in (here, there)]
    named = [one for one in differing if not (one.startswith("target.processor") and None not in processors)]
    words = []
    if len(named) < len(differing):
        (machine, features), (other, others) = (one or ("", frozenset()) for one in processors)
        if machine != other:
            words.append(f"its processor is {other}, not {machine}")
        words.extend(
            f"its processor {verb} {', '.join(sorted(names))}"
            for verb, names in (("lacks", features - others), ("also has", others - features))
            if names and machine == other
        )
    if named:
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        words.append(f"its answers would be shaped by another {', '.join(named[:_NAMED])}{more}")
    return "; ".join(words)


def _processor(target: Any) -> tuple[str, frozenset[str]] | None:
    found = target.get("processor") if isinstance(target, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("features"), list):
        return None
    return str(found.get("machine")), frozenset(map(str, found["features"]))

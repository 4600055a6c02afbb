"""What the result of a run is in words, the same in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report import unlabelled
from seatrial.harness.report.timed import is_wrong
from seatrial.harness.results.checks.built import BUILT
from seatrial.harness.results.shares import spelled
from seatrial.harness.results.slower import is_slower, measured_against, slower
from seatrial.harness.typeset.numbers import milliseconds, percent


def realized(shares: Mapping[str, float], simulated: bool = False) -> str:
    """{"int8": 0.998, "fp32": 0.002} -> "int8 99.8 %, fp32 0.2 %"; a dash for an engine without layers."""
    text = ", ".join(
        f"{name} {'100' if share == 1 else spelled(share).removesuffix('%')} %" for name, share in shares.items()
    )
    return f"simulated in {text}" if simulated and text else text or "-"


def disagreements(summary: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """A row for each target: images to which it and each of the others give different classes, with "=" behind the
    number where both run the same file. Empty for less than three targets, whose one pair stands elsewhere.
    """
    names = [target["id"] for target in summary["targets"]]
    if len(names) < 3:
        return []
    cells = {}
    for pair in summary["agreement"]["pairs"]:
        text = f"{pair['differing']}{' =' if pair['same_file'] else ''}"
        cells[pair["first"], pair["second"]] = cells[pair["second"], pair["first"]] = text
    return [(name, [cells.get((name, other), "") for other in names]) for name in names]


# What became of a target that has no figures.
OUTCOMES = {
    "refused": "could not be built",
    "failed": "failed",
    "crashed": "crashed",
    "hung": "hung",
    "out of memory": "ran out of memory",
    "cut off": "was cut off",
}


def with_spread(top1: str, rebuilds: Mapping[str, Any] | None) -> str:
    """A top-1 with " ± 0.05" behind it where several builds were measured: the sample standard deviation, in points."""
    if rebuilds is None or rebuilds["condition"] != "clean" or rebuilds["top1"] is None:
        return top1
    return f"{top1} ± {rebuilds['top1']['std'] * 100:.2f}"


def rebuilds(found: Mapping[str, Any]) -> str:
    """One sentence on the spread over independent builds."""
    top1, p50 = found["top1"], found["p50_ms"]
    right = ""
    if top1 is not None:
        right = f"top-1 {percent(top1['mean'])} ± {top1['std'] * 100:.2f} ({percent(top1['min'])} to "
        right += f"{percent(top1['max'])}, {found['condition']}), "
    return (
        f"{found['builds']} builds: {right}p50 {milliseconds(p50['mean'])} ± {p50['std']:.3f} ms "
        f"({milliseconds(p50['min'])} to {milliseconds(p50['max'])}); on {percent(found['agreement'])} of the images "
        "all agree."
    )


_LAYERS_NAMED = 5


def fallback_lines(check: Mapping[str, Any]) -> list[str]:
    """What ran at another precision than asked for: a headline, one line per reason, one with the worst layers; empty
    where nothing did, or the check simply passed.
    """
    found = check.get("fallback")
    if found is None or (check["answer"] == "pass" and not check["accepted"]):
        return []
    layers = found["layers"]
    named = [
        f"{layer['node'] or layer['name']} ({layer['op']}, {layer['realized']}, {percent(layer['share'], 1)})"
        for layer in layers[:_LAYERS_NAMED]
    ]
    rest = len(layers) - len(named)
    return [
        f"Precision fallback{' (accepted)' if check['accepted'] else ''}: {check['target']} runs "
        f"{percent(found['share'], 1)} of its arithmetic, {_counted(len(layers))}, at another precision than asked "
        "for.",
        *(f"{percent(one['share'], 1)}, {_counted(one['layers'])}: {one['reason']}" for one in found["reasons"]),
        f"Largest: {', '.join(named)}{f' and {rest} more, in audit.json' if rest else ''}",
    ]


def _counted(layers: int) -> str:
    return f"{layers} layer{'' if layers == 1 else 's'}"


def enforcement(gate: Mapping[str, Any]) -> str:
    """What the verdict does to the exit status."""
    if any(check["name"] == BUILT for check in gate["checks"]):
        return "a target came to no end: exit status 3"
    if gate["advisory"]:
        return "--advisory: exit status 0 either way"
    if any(check["accepted"] for check in gate["checks"]):
        return "with a fallback that --allow-fallback accepts"
    failed = gate["verdict"] in ("REGRESSION", "ANOMALOUS") or (gate["strict"] and gate["verdict"] == "INCONCLUSIVE")
    return f"gate {gate['gate']}: exit status {int(failed)}"


def finding(one: Mapping[str, Any]) -> str:
    """What was seen, and what to do about it: two sentences."""
    return f"{one['says'].rstrip('. ')}. {one['remedy']}"


def headline(summary: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """One or two sentences per target: what it costs and what it brings against the reference."""
    parts = [part for kind in KINDS.values() if (part := kind.headline(target)) is not None]
    scores = f"scores {' and '.join(parts)}" if parts else unlabelled.headline(target)
    if target.get("simulated"):
        return f"{target['id']}, simulated, {scores}. Its speed says nothing of the precision."
    return f"{target['id']} {scores}. {_pace(target, _fallback(summary, target))}"


def _fallback(summary: Mapping[str, Any], target: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = next(
        (one["fallback"] for one in summary["gate"]["checks"] if one["target"] == target["id"] and one.get("fallback")),
        None,
    )
    return found


def _pace(target: Mapping[str, Any], fallback: Mapping[str, Any] | None) -> str:
    if is_wrong(target):
        return "Its answers while it was timed cannot be trusted, so its speed says nothing."
    speedup = target["metrics"].get("speedup")
    if speedup is None:
        return unknown_pace(target)
    if is_slower(speedup) and target.get("precision", "fp32") != "fp32":
        return f"{slower(target['precision'], speedup, fallback)}."
    return f"It answers {pace(speedup)}."


def unknown_pace(target: Mapping[str, Any], who: str = "it") -> str:
    """A sentence for a target whose speed is told against nothing. who: what it is called."""
    found, board = target.get("pace") or {}, target.get("board")
    if board is not None and found.get("unknown") is None:
        return f"Speeds on {board} are told against {'its own' if who == 'it' else f'that of {who}'}."
    where = "" if board is None else f" on {board}"
    why = f": {found['unknown']}" if found.get("unknown") else ""
    return f"How fast {who} {'answers' if who == 'it' else 'is'} against fp32{where} is not known{why}."


# Beyond it, nobody would call two speeds alike.
_ALIKE = 0.5


def pace(speedup: Mapping[str, Any]) -> str:
    """How fast, against fp32 at its place: "1.86 times as fast as fp32 (1.80 to 1.93)", "... as fp32 on pi5 (...)";
    where the interval holds 1, "as fast as fp32, within 12 %", or where it says next to nothing, "somewhere between
    0.41 and 2.7 times as fast as fp32".
    """
    ratio, (low, high), fp32 = speedup["ratio"], speedup["ci95"], measured_against(speedup)
    if low <= 1 <= high:
        within = max(high, 1 / low) - 1
        if within > _ALIKE:
            return f"somewhere between {low:.2g} and {high:.2g} times as fast as {fp32}"
        return f"as fast as {fp32}, within {math.ceil(within * 100)} %"
    if ratio >= 1:
        return f"{ratio:.2f} times as fast as {fp32} ({low:.2f} to {high:.2f})"
    return f"{1 / ratio:.2f} times slower than {fp32} ({1 / high:.2f} to {1 / low:.2f})"


def change_of_speed(found: Mapping[str, Any]) -> str:
    """Since the baseline: "1.93 -> 1.70 times as fast as fp32, 88.1 % of what it was (80.2 to 96.3)"."""
    low, high = (end * 100 for end in found["ci95"])
    return (
        f"{found['before']:.2f} -> {found['after']:.2f} times as fast as {measured_against(found)}, "
        f"{found['ratio'] * 100:.1f} % of what it was ({low:.1f} to {high:.1f})"
    )

"""Two runs, compared, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console

from seatrial.harness.report.unlabelled import flips
from seatrial.harness.report.words import change_of_speed
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.tables import Listing, figures, long_name
from seatrial.harness.typeset.terminal import say

# Of conditions and classes, those that changed most.
_SHOWN = 8


def print_baseline(found: Mapping[str, Any], console: Console) -> None:
    """What changed since the baseline: `baseline` of a summary, `RunsCompared.to_dict`."""
    say(console, f"{found['second']} against {found['first']}, on the images that both have", style="bold")
    for path, (before, after) in found["changed"].items():
        say(console, f"changed: {path}: {_short(before)} -> {_short(after)}", indent=2)
    for sentence in found["alone"]:
        say(console, sentence, indent=2)
    for condition, why in found["left_out"].items():
        say(console, f"{condition} is left out: {why}", indent=2)
    for target, change in found["targets"].items():
        if change.get("speed"):
            say(console, f"{target}: {change_of_speed(change['speed'])}.")
        if change["likeness"]:
            _print_likeness(target, change["likeness"], console)
            continue
        if all(one["agreement"] == 1 for one in change["conditions"].values()):
            say(console, f"{target}: every image has the class that it had, under {_counted(change['conditions'])}.")
            continue
        images = max(one["images"] for one in change["conditions"].values())
        title = f"{target}, {images:,} images"
        table = Listing(title, long_name("on"), *figures("before", "after", "points, 95 % interval", "agree"))
        for what, one in _rows(change):
            table.add(
                what,
                percent(one["before"]),
                percent(one["after"]),
                points(one["delta"], one["ci95"]),
                percent(one.get("agreement"), 1),
            )
        console.print(table)


def _print_likeness(target: str, found: Mapping[str, Any], console: Console) -> None:
    """Of images without labels: the conditions under which fewest keep their class, and what flips under the first."""
    images = max(one["images"] for one in found.values())
    table = Listing(
        f"{target}, {images:,} images without labels",
        long_name("on"),
        *figures("same class", "95 %", "flipped", "confidence, points"),
    )
    for condition in sorted(found, key=lambda name: found[name]["agreement"])[:_SHOWN]:
        one = found[condition]
        low, high = one["agreement_ci95"]
        interval = f"{low * 100:.2f} to {high * 100:.2f}"
        table.add(condition, percent(one["agreement"]), interval, str(one["flipped"]), points(one["shift"]))
    console.print(table)
    first, one = next(iter(found.items()))
    if one["flipped"]:
        say(console, f"{first}: flips {flips(one)}.")


def _rows(change: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    conditions = dict(change["conditions"])
    if "clean" in conditions:
        yield "clean", conditions.pop("clean")
    if change["corrupted"] is not None:
        yield "corrupted, mean", change["corrupted"]
    yield from _most(conditions)
    if len(change["classes"]) > 1:
        yield from _most({f"class {label}": one for label, one in change["classes"].items() if one["delta"]})


def _most(changes: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """All of a few; of many those that lost most, then those that won most."""
    ranked = sorted(changes, key=lambda label: changes[label]["delta"])
    chosen = ranked if len(ranked) <= _SHOWN else [*ranked[: _SHOWN - 2], *ranked[-2:]]
    for label in chosen:
        yield label, changes[label]


def _counted(conditions: Mapping[str, Any]) -> str:
    return "the one condition" if len(conditions) == 1 else f"all {len(conditions)} conditions"


def _short(value: Any) -> str:
    text = "-" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text) else text

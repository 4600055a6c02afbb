"""How a run on images without labels is shown: in the terminal, and in words for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.tables import Grid, Listing, figures, name
from seatrial.harness.typeset.terminal import say

_FLIPS = 5


def headline(target: Mapping[str, Any]) -> str:
    """What follows the target's name."""
    found = next(iter(target["likeness"].values()), None)
    if found is None:
        return "is not compared with the reference"
    low, high = found["agreement_ci95"]
    return (
        f"answers as the reference on {percent(found['agreement'])} of the images (95 % interval {percent(low)} to "
        f"{percent(high)})"
    )


def same_class(target: Mapping[str, Any]) -> str:
    """A target's agreement under the first condition; a dash for the reference."""
    return percent(next((one["agreement"] for one in target["likeness"].values()), None))


def same_class_within(found: Mapping[str, Any] | None) -> str:
    """Agreement with its interval; a dash for None."""
    if found is None:
        return "-"
    low, high = found["agreement_ci95"]
    return f"{percent(found['agreement'])} [{low * 100:.2f}, {high * 100:.2f}]"


def flips(found: Mapping[str, Any], most: int = _FLIPS) -> str:
    """As "3 cat -> dog, 1 cat -> deer and 2 more"; empty for none."""
    named = [f"{one['images']} {one['reference_name']} -> {one['target_name']}" for one in found["flips"][:most]]
    rest = found["kinds_of_flips"] - len(named)
    return ", ".join(named) + (f" and {rest} other kinds" if rest else "")


def doubt(found: Mapping[str, Any]) -> str:
    """Whether the flipped images were those that the reference was not sure of."""
    if found["less_sure"] is None:
        return ""
    flipped, kept = (found[key]["quantiles"][2] for key in ("flipped_margin", "kept_margin"))
    return (
        f"the reference's median margin is {flipped:.2f} on flipped images, {kept:.2f} on the others, and smaller on "
        f"a flipped image with probability {found['less_sure']:.2f}"
    )


def by_condition(summary: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    """Condition, all severities of a corruption together -> mean agreement of each target but the reference."""
    compared = [target["likeness"] for target in summary["targets"] if target["likeness"]]
    found: dict[str, list[str]] = {}
    for condition in compared[0] if compared else ():
        found.setdefault(condition.partition("@")[0], []).append(condition)
    return [
        (short, [sum(one[name]["agreement"] for name in names) / len(names) for one in compared])
        for short, names in found.items()
    ]


def print_unlabelled(summary: Mapping[str, Any], console: Console) -> None:
    """Agreement, flips and margins of every target; nothing for images with labels."""
    compared = [target for target in summary["targets"] if target["likeness"]]
    if not compared:
        return
    first = next(iter(compared[0]["likeness"]))
    table = Listing(
        f"answers as {summary['reference']}'s to images without labels ({first})",
        name("target"),
        *figures("same class", "95 %", "flipped", "confidence", "points"),
    )
    for target in compared:
        found = target["likeness"][first]
        low, high = found["agreement_ci95"]
        table.add(
            target["id"],
            percent(found["agreement"]),
            f"{low * 100:.2f} to {high * 100:.2f}",
            str(found["flipped"]),
            percent(found["confidence"]),
            points(found["shift"]),
        )
    console.print(table)
    for target in compared:
        found = target["likeness"][first]
        if found["flipped"]:
            say(console, f"{target['id']} flips {flips(found)}; {doubt(found)}.")
    rows = by_condition(summary)
    if len(rows) > 1:
        grid = Grid("mean share of images with the reference's class", (target["id"] for target in compared))
        for condition, shares in rows:
            grid.add(condition, *map(percent, shares))
        console.print(grid)

"""The tables of corruptions in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.page import Cell, Heading, Table

Summary = Mapping[str, Any]


def family_table(summary: Summary) -> Table:
    """Means over all corruptions and over each family."""
    rows: list[list[Cell | str]] = []
    for target in summary["targets"]:
        metrics = target["metrics"]
        overall = {name: metrics.get(f"corruption_{name}") for name in ("top1", "delta", "delta_ci95")}
        for name, mean in {"all": overall, **metrics["families"]}.items():
            row = [
                target["id"],
                name,
                Cell(percent(mean["top1"], 1), mean["top1"]),
                Cell(points(mean["delta"], mean.get("delta_ci95")), mean["delta"]),
            ]
            rows.append(row)
    headings = [Heading("target"), Heading("over", figures=False), Heading("top-1"), Heading("points [95 %]")]
    return Table("Means over the corruptions, and points against the reference", headings, rows, folded=False)


def error_lines(summary: Summary) -> list[str]:
    """The corruption errors of each target that has some."""
    told = ((target["id"], words.corruption_error(target["metrics"])) for target in summary["targets"])
    return [f"{name}: {error}." for name, error in told if error != "-"]


def mean_table(summary: Summary) -> Table:
    """Each corruption's mean over the severities."""
    targets = summary["targets"]
    rows = []
    for name in words.corruption_names(targets[0]["conditions"]):
        row: list[Cell | str] = [words.title(name)]
        for target in targets:
            top1, delta = words.mean_over_severities(target["conditions"], name)
            row += [Cell(percent(top1, 1), top1), Cell(points(delta), delta)]
        rows.append(row)
    headings = [Heading("corruption")]
    for target in targets:
        headings += [Heading("top-1", group=target["id"]), Heading("points", group=target["id"])]
    return Table("Mean over the severities, and points against the reference", headings, rows, folded=False)

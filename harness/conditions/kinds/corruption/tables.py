"""The tables of corruptions in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.page import Cell, Heading, Table

Summary = Mapping[str, Any]


def family_table(summary: Summary) -> Table:
    """Means of the families, and the corruption errors."""
    targets = summary["targets"]
    families = [*targets[0]["metrics"]["families"]]
    rows = []
    for target in targets:
        metrics = target["metrics"]
        row: list[Cell | str] = [
            target["id"],
            Cell(percent(metrics["corruption_top1"], 1), metrics["corruption_top1"]),
            points(metrics["corruption_delta"], metrics.get("corruption_delta_ci95")),
        ]
        for family in families:
            mean = metrics["families"].get(family, {"top1": None, "delta": None})
            row += [Cell(percent(mean["top1"], 1), mean["top1"]), points(mean["delta"], mean.get("delta_ci95"))]
        rows.append([*row, Cell(words.corruption_error(metrics), look="wide")])
    headings = [Heading("target")]
    for name in ("all", *families):
        headings += [Heading("top-1", group=name), Heading("points [95 %]", group=name)]
    headings.append(Heading("corruption error", figures=False))
    return Table("Means over the corruptions, and points against the reference", headings, rows)


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

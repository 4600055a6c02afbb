"""The tables of attacks in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.conditions.kinds.attack.rows import crossed, rows_of
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.page import Cell, Heading, Table

Block = Mapping[str, Any]


def tables(block: Block, reference: str) -> dict[str, Table]:
    """By what they show."""
    return {
        "robust": _robust(block, reference),
        "crossings": _crossings(block, reference),
        "worst": _worst(block),
        "masking": _masking(block),
        "every": _every(block, reference),
        "queries": _queries(block),
        "transfers": _transfers(block),
    }


def _heads(block: Block) -> list[str]:
    return [f"{name} ({words.masking(target)})" for name, target in block["targets"].items()]


def _robust(block: Block, reference: str) -> Table:
    targets = block["targets"].values()
    clean: list[Cell | str] = ["No attack"]
    rows = [clean + [Cell(percent(target["clean_top1"]), target["clean_top1"]) for target in targets]]
    for one in rows_of(block):
        cells = [Cell(words.robust(found), found["top1"] if found else None) for found in one.cells.values()]
        rows.append([one.title, *cells])
    headings = [Heading("images"), *(Heading(head) for head in _heads(block))]
    return Table(
        f"Robust accuracy, % (points against {reference} on the same images); *: made on the target's own file",
        headings,
        rows,
    )


def _crossings(block: Block, reference: str) -> Table:
    rows: list[list[Cell | str]] = []
    for (_, target), head in zip(block["targets"].items(), _heads(block), strict=True):
        for row in target["crossings"]:
            found = words.passages(row)
            rows.extend(
                [
                    head,
                    words.made(row),
                    f"{verb} it at {words.place(row, passage)}",
                    words.sides(passage),
                ]
                for verb, passage in found
            )
            if not found:
                rows.append([head, words.made(row), f"no crossing: {words.standing(row['differences'])}", ""])
    headings = [
        Heading("target"),
        Heading("attack", figures=False),
        Heading(f"against {reference} [95 %]", figures=False),
        Heading("differences", figures=False),
    ]
    return Table("Where a target passes the reference", headings, rows)


def _worst(block: Block) -> Table:
    rows = [
        [words.group(row), *(words.worst_cases(words.of_group(target, row)) for target in block["targets"].values())]
        for row in words.groups(block)
    ]
    headings = [Heading("strength"), *(Heading(head) for head in _heads(block))]
    return Table("WCAR, %: on the own file / made on fp32 / everything", headings, rows, sortable=False)


def _masking(block: Block) -> Table:
    rows = [
        [name, check["name"], Cell(check["status"], look="fail" if check["status"] == "fail" else ""), check["says"]]
        for name, target in block["targets"].items()
        for check in target["masking"]["checks"]
    ]
    headings = [
        Heading("target"),
        Heading("check", figures=False),
        Heading("result", figures=False),
        Heading("what was found", figures=False),
    ]
    return Table("Checks for masked gradients", headings, rows)


def _every(block: Block, reference: str) -> Table:
    rows: list[list[Cell | str]] = []
    for name, one in block["conditions"].items():
        for (_, target), head in zip(block["targets"].items(), _heads(block), strict=True):
            found = target["conditions"].get(name)
            if found is None:
                continue
            against, ar = found["vs_reference"], found["ar"]
            rows.append(
                [
                    f"{name}{'' if one['eight_bit'] else ' float'}",
                    f"{head}{'*' if found['white_box'] else ''}",
                    Cell(words.top1(found), found["top1"]),
                    Cell(words.points(against), against and against["delta"]),
                    Cell(words.rate(ar), ar and ar["rate"]),
                    words.points(against and against["ar"]),
                    Cell(words.rate(found["transfer"]), found["transfer"] and found["transfer"]["rate"]),
                    words.rate(one["surrogate_fooled"]),
                    words.evasion(found),
                    Cell(words.distance(one, found), found["distance_max"]),
                ]
            )
    headings = [
        Heading("images"),
        Heading("target", figures=False),
        *(Heading(f"robust accuracy, {one}") for one in ("% [95 %]", f"points against {reference} [95 %]")),
        Heading("AR, % [95 %]"),
        Heading("AR, points [95 %]"),
        Heading("transfer rate, % [95 %]"),
        Heading("fooled where made, % [95 %]"),
        Heading("wrong here alone / on both, % [95 %]"),
        Heading("farthest"),
    ]
    return Table("Every attack on every target", headings, rows)


def _transfers(block: Block) -> Table:
    rows: list[list[Cell | str]] = [
        [one.title, *(Cell(words.transfer(found), _rate(found)) for found in one.cells.values())]
        for one in crossed(block)
    ]
    headings = [Heading("images"), *(Heading(head) for head in _heads(block))]
    return Table("Transfer rate, %: whom else images fool that were made on a target's file (*)", headings, rows)


def _rate(found: Mapping[str, Any] | None) -> float | None:
    rate = found and found["transfer"]
    return None if not rate else float(rate["rate"])


def _queries(block: Block) -> Table:
    rows = []
    for name in words.by_queries(block):
        counts = [words.queries(target["conditions"].get(name)) for target in block["targets"].values()]
        rows.append([words.title(name), *("; ".join(one) for one in counts)])
    headings = [Heading("images"), *(Heading(name) for name in block["targets"])]
    return Table("Queries for each image that is right without attack: median / mean / most", headings, rows)

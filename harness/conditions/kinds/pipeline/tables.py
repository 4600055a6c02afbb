"""The tables of the input pipeline in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.typeset.numbers import percent, probability
from seatrial.harness.typeset.page import Cell, Heading, Table

Block = Mapping[str, Any]


def factor_table(block: Block) -> Table:
    """What each factor costs each target."""
    targets = block["targets"]
    rows: list[list[Cell | str]] = []
    for factor in words.factors(block):
        row: list[Cell | str] = [words.factor_title(factor)]
        for target in targets.values():
            found = target["factors"].get(factor)
            row += [
                Cell(words.mean_and_max(found), found and found["max_loss"]),
                Cell(words.flips(found), found and found["max_flips"]),
                ", ".join(filter(None, [words.worst(found), words.doubt(found)])),
            ]
        rows.append(row)
    headings = [Heading("factor")]
    for name in targets:
        headings += [
            Heading("points lost, mean (max)", group=name),
            Heading("classes change", group=name),
            Heading("worst option [95 %]", figures=False, group=name),
        ]
    return Table("What each factor of the input pipeline costs", headings, rows)


def settings_lines(block: Block) -> list[str]:
    """Top-1 over decoders and filters, for each target that has it."""
    return [
        f"{name}: top-1 over decoders and resize filters {words.settings(target)} %."
        for name, target in block["targets"].items()
        if target["settings"] is not None
    ]


def stack_table(block: Block) -> Table:
    """What the worst options cost on top of each other."""
    rows: list[list[str]] = []
    for ids in block["stack"]:
        row = [words.step(ids)]
        for target in block["targets"].values():
            found = target["conditions"].get(words.combined(len(ids)))
            row += (
                [words.lost(found["loss"], found["ci95"]), words.added(found["interaction"])] if found else ["-", "-"]
            )
        rows.append(row)
    headings = [Heading("step")]
    for name in block["targets"]:
        headings += [
            Heading("points lost [95 %]", group=name),
            Heading("quantization adds [95 %]", group=name),
        ]
    return Table("The worst options on top of each other", headings, rows, sortable=False)


def condition_table(block: Block) -> Table:
    """Every option of every target."""
    rows = []
    for name in words.conditions(block):
        for target_id, target in block["targets"].items():
            found = target["conditions"].get(name)
            if found is None:
                continue
            interaction = found["interaction"]
            rows.append(
                [
                    words.title(name),
                    target_id,
                    Cell(words.lost(found["loss"], found["ci95"]), found["loss"]),
                    Cell(probability(found["p"]), found["p"]),
                    Cell(percent(found["flips"]), found["flips"]),
                    Cell(words.added(interaction), interaction and interaction["extra"]),
                    name,
                ]
            )
    headings = [
        Heading("condition"),
        Heading("target", figures=False),
        Heading("points lost [95 %]"),
        Heading("p"),
        Heading("classes change"),
        Heading("quantization adds [95 %]"),
        Heading("id", figures=False),
    ]
    return Table("Every option", headings, rows)

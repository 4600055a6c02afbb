"""Corruptions as a kind of conditions."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.corruptions import CORRUPTIONS, SEVERITIES, corrupt, names, using_frost_textures
from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.conditions.kinds.corruption.constants import check_scale, constants, joined
from seatrial.harness.conditions.kinds.corruption.ids import (
    PREFIX,
    SUITES,
    known_corruption_ids,
    parse_corruption,
    suite_ids,
)
from seatrial.harness.conditions.kinds.corruption.released import find_released
from seatrial.harness.conditions.kinds.corruption.robustness import robustness
from seatrial.harness.conditions.kinds.protocol import Column, Finished, Kind, LoadedWorld, Measured, Section, World
from seatrial.harness.conditions.kinds.registry import spelled
from seatrial.harness.conditions.released import ReleasedSet
from seatrial.harness.data.labels import LabelOf
from seatrial.harness.data.source import Pixels
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.typeset.numbers import percent, points
from seatrial.text import meant

if TYPE_CHECKING:
    from rich.console import Console


class Corruptions(Kind):
    """`corruption/NAME@SEVERITY`."""

    name = "corruption"
    prefix = PREFIX
    suites = tuple(SUITES)
    block = "corruptions"

    def ids(self, world: World) -> list[str]:
        """Corruption by corruption."""
        return known_corruption_ids()

    def spelled(self) -> str:
        """Without the severities one by one."""
        return ", ".join(f"{PREFIX}{name}@{SEVERITIES[0]}..{SEVERITIES[-1]}" for name in names())

    def chosen(self, suite: str, globs: Sequence[str], severities: Sequence[int], world: World) -> list[str]:
        """At `severities` alone, if there are any; UsageError for one, and for a size, without constants."""
        check_scale(world.spec.conditions.corruption_scale)
        for severity in severities:
            if severity not in SEVERITIES:
                raise UsageError(f"Severity {severity} does not exist; there are {SEVERITIES[0]} to {SEVERITIES[-1]}.")
        if not globs:
            return suite_ids(suite, tuple(severities)) if suite in SUITES else []
        found = super().chosen(suite, globs, severities, world)
        return [name for name in found if not severities or parse_corruption(name)[1] in severities]

    def make(self, condition_id: str, world: World) -> Condition:
        """With the constants and the textures of the spec."""
        if condition_id not in known_corruption_ids():
            raise UsageError(
                f"Unknown condition {condition_id!r}.{meant(condition_id, known_corruption_ids())} Known: {spelled()}."
            )
        name, severity = parse_corruption(condition_id)
        check_scale(world.spec.conditions.corruption_scale)
        return Condition(condition_id, functools.partial(_corrupt, name, severity, world.spec.conditions))

    def released(self, path: Path, classes: int, label_of: LabelOf) -> ReleasedSet | None:
        """An ImageNet-C tree, or CIFAR-10-C's files."""
        return find_released(path, classes, label_of)

    def matching(self, glob: str, world: World) -> list[str]:
        """As of every kind; UsageError for a corruption of another package that is broken."""
        if glob.startswith(PREFIX):
            CORRUPTIONS.refuse_broken(glob.removeprefix(PREFIX).partition("@")[0])
        return super().matching(glob, world)

    def shape(self, condition: Condition, world: LoadedWorld) -> dict[str, Any]:
        """The constants and, of frost, the textures."""
        outside = CORRUPTIONS.provenance(parse_corruption(condition.id)[0])
        return {"id": condition.id, **constants(condition.id, world), **outside}

    def describe(self, finished: Finished) -> dict[str, Any] | None:
        """The constants of the corruptions that were made."""
        return joined(finished.shapes)

    def metrics(self, target: Measured, reference: Measured, world: LoadedWorld) -> dict[str, Any]:
        """Means and corruption errors, with their intervals."""
        return robustness(target, reference, world.model.classes)

    def notes(self, block: Mapping[str, Any] | None) -> list[str]:
        """Which constants and textures."""
        return words.notes(block)

    def title(self, condition_id: str) -> str:
        """As in "Gaussian noise, severity 3"."""
        return ", ".join(words.cell(condition_id))

    def cell(self, condition_id: str) -> tuple[str, str]:
        """A row for each corruption, a column for each severity."""
        return words.cell(condition_id)

    def columns(self) -> Sequence[Column]:
        """The mean."""
        return [
            Column("corrupted", "corrupted, mean top-1", lambda target: percent(target["metrics"]["corruption_top1"]))
        ]

    def headline(self, target: Mapping[str, Any]) -> str | None:
        """The mean, and its difference to the reference's."""
        metrics = target["metrics"]
        if metrics["corruption_top1"] is None:
            return None
        interval = metrics.get("corruption_delta_ci95")
        sure = "" if interval is None else f" ({' to '.join(points(bound) for bound in interval)})"
        delta = points(metrics["corruption_delta"])
        return f"{percent(metrics['corruption_top1'])} on corrupted ones, {delta} points{sure}"

    def show(self, summary: Mapping[str, Any], console: Console) -> None:
        """A table of all corruptions, and the corruption errors."""
        from seatrial.harness.conditions.kinds.corruption.console import print_corruptions

        print_corruptions(summary, console)

    def section(self, summary: Mapping[str, Any]) -> Section | None:
        """Curves over the severities, and their figures."""
        from seatrial.harness.conditions.kinds.corruption.figure import corruption_figure
        from seatrial.harness.conditions.kinds.corruption.tables import error_lines, family_table, mean_table

        figure = corruption_figure(summary)
        if figure is None:
            return None
        tables = {"families": family_table(summary), "errors": error_lines(summary), "means": mean_table(summary)}
        return Section.of(__package__, {"figure": figure, **tables})


def _corrupt(name: str, severity: int, asked: ConditionsAsked, image: Pixels, rng: np.random.Generator) -> Pixels:
    with using_frost_textures(asked.frost_textures):
        return corrupt(image, name, severity, rng=rng, scale=asked.corruption_scale)

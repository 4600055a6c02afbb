"""Pipeline conditions as a kind of conditions."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.conditions.kinds.pipeline.block import describe_pipeline
from seatrial.harness.conditions.kinds.pipeline.ids import (
    COMBINED,
    PREFIX,
    combination_ids,
    known_pipeline_ids,
    singles_of,
)
from seatrial.harness.conditions.kinds.pipeline.options import (
    AS_CONTRACT,
    has_model_size,
    pipeline_options,
    with_combinations,
)
from seatrial.harness.conditions.kinds.pipeline.settings import setting_ids
from seatrial.harness.conditions.kinds.pipeline.stack import choose_stack, stacked
from seatrial.harness.conditions.kinds.protocol import Finished, Kind, LoadedWorld, Resolved, Section, World
from seatrial.harness.pipeline.libraries import LIBRARIES
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.spec.studies import ROBUSTMQ
from seatrial.packages import installed_versions

if TYPE_CHECKING:
    from rich.console import Console


class Pipeline(Kind):
    """`pipeline/FACTOR=OPTION`, and `pipeline/combined` for the worst of them on top of each other."""

    name = "pipeline"
    prefix = PREFIX
    suites = ("pipeline", ROBUSTMQ)
    block = "pipeline"

    def ids(self, world: World) -> list[str]:
        """Factor by factor, the combination last."""
        return known_pipeline_ids()

    def matching(self, glob: str, world: World) -> list[str]:
        """Decoders with filters only where the pattern has a `+`."""
        return fnmatch.filter(combination_ids(), glob) if "+" in glob else super().matching(glob, world)

    def of_suite(self, suite: str, world: World) -> list[str]:
        """Of RobustMQ, ImageNet-S' decoders and filters, each alone and together."""
        return setting_ids() if suite == ROBUSTMQ else super().of_suite(suite, world)

    def chosen(self, suite: str, globs: Sequence[str], severities: Sequence[int], world: World) -> list[str]:
        """Decoders with filters behind the others."""
        found = super().chosen(suite, globs, severities, world)
        together = {name for glob in globs if "+" in glob for name in self.matching(glob, world)}
        return [*found, *(name for name in combination_ids() if name in together)]

    def needs_labels(self, condition_id: str) -> bool:
        """The combination is made of the options that cost most."""
        return condition_id == COMBINED

    def resolve(self, ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
        """The combination takes all single conditions with it."""
        if not ids:
            return Resolved()
        encoded = world.data.source.encoded
        options = pipeline_options(
            world.model, encoded=encoded, sized=has_model_size(world.model.contract, world.data.source)
        )
        options = with_combinations(options, ids)
        for name in named:
            if name in options.refused:
                raise UsageError(f"{name} cannot be asked of this model and these images: {options.refused[name]}.")
        combined = COMBINED in ids
        wanted = [
            name
            for name in (*options.conditions, *options.refused)
            if name in ids or (combined and singles_of(name) is None)
        ]
        found = tuple(condition for name, condition in options.conditions.items() if name in wanted)
        refused = {
            name: why
            for name, why in options.refused.items()
            # Of a decoder with a filter, the one of them that is not there is told alone.
            if name in wanted and why != AS_CONTRACT and singles_of(name) is None
        }
        notes = [*_left_out(refused), *jpeg_notes(found, world.data.ids if encoded else None)]
        return Resolved(found, (COMBINED,) if combined else (), tuple(notes))

    def following(
        self, later: Sequence[str], conditions: Sequence[Condition], answers: Mapping[str, Predictions]
    ) -> list[Condition]:
        """`pipeline/combined@1`, `@2`, ...: the worst option of the first factor, of the first two, ..."""
        singles = {one.id: one for one in conditions}
        parts = [singles[name] for name in choose_stack(answers)]
        return [stacked(f"{COMBINED}@{count}", parts[:count]) for count in range(1, len(parts) + 1)]

    def composed(self, condition_id: str, parts: Sequence[Condition]) -> Condition:
        """The parts on top of each other."""
        return stacked(condition_id, parts)

    def shape(self, condition: Condition, world: LoadedWorld) -> dict[str, Any]:
        """The versions of libraries that decode and resize; of a stacked condition, what shapes its parts."""
        if condition.parts:
            return {"id": condition.id, "parts": [_single(part) for part in condition.parts]}
        return _single(condition.id)

    def describe(self, finished: Finished) -> dict[str, Any] | None:
        """What each step costs each target; None where labels are not known."""
        if not finished.world.data.labelled:
            return None
        return describe_pipeline(finished.answers, finished.reference)

    def title(self, condition_id: str) -> str:
        """As in "Decoder: opencv"."""
        return words.title(condition_id)

    def show(self, summary: Mapping[str, Any], console: Console) -> None:
        """A table of the factors, and one of the stack."""
        from seatrial.harness.conditions.kinds.pipeline.console import print_pipeline

        if summary.get(self.block):
            print_pipeline(summary[self.block], console)

    def section(self, summary: Mapping[str, Any]) -> Section | None:
        """The same, the stack as a drawing, and every condition."""
        from seatrial.harness.conditions.kinds.pipeline.figure import stacked_figure
        from seatrial.harness.conditions.kinds.pipeline.tables import (
            condition_table,
            factor_table,
            settings_lines,
            stack_table,
        )

        block = summary.get(self.block)
        if not block:
            return None
        return Section.of(
            __package__,
            {
                "factors": factor_table(block),
                "settings": settings_lines(block),
                "figure": stacked_figure(block),
                "stack": stack_table(block),
                "conditions": condition_table(block),
            },
        )


def jpeg_notes(conditions: Sequence[Condition], files: Sequence[str] | None) -> list[str]:
    """Where decoders are asked about and not all images are JPEG: others give the same pixels in all.

    files: names of the images, None for arrays, which are made JPEG.
    """
    if files is None or not any(one.id.startswith(f"{PREFIX}decode=") for one in conditions):
        return []
    count = sum(name.lower().endswith((".jpg", ".jpeg")) for name in files)
    if count == len(files):
        return []
    return [f"{count} of {len(files)} images are JPEG files: what loses nothing has the same pixels in all decoders."]


def _left_out(refused: Mapping[str, str]) -> list[str]:
    told = "; ".join(f"{name} ({why})" for name, why in refused.items())
    return [f"Left out of the pipeline conditions: {told}."] if told else []


def _single(condition_id: str) -> dict[str, Any]:
    return {"id": condition_id, "versions": installed_versions(LIBRARIES)}

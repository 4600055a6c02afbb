"""The block `study` of summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.strengths import PAPER_VALUES, study_strengths
from seatrial.harness.conditions.kinds.pipeline.options import has_model_size
from seatrial.harness.conditions.kinds.pipeline.settings import settings
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Right
from seatrial.harness.results.studies import extremes, merkel, robustmq, table
from seatrial.harness.results.studies.readings import level_of
from seatrial.harness.results.studies.robustmq import Systematic
from seatrial.harness.results.studies.rows import Row, rows_of
from seatrial.harness.spec.studies import ROBUSTMQ, STUDIES
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

# Whose strengths go with the size of the image.
_NORMS = {"l2": "L2", "l1": "L1"}


def study_of(
    world: LoadedWorld,
    targets: Sequence[TargetSpec],
    right: Mapping[str, Right],
    labels: npt.NDArray[np.int32],
    attacks: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """JSON values, of whatever the run has of the study's conditions; None where its suite repeats no study, and for
    images without labels, or without clean ones.

    targets: with figures. right: target id -> condition id -> bool [N]. labels: int32 [N]. attacks: the block.
    """
    suite = world.spec.conditions.suite
    if suite not in STUDIES or not world.data.labelled:
        return None
    rows = rows_of(targets, right, labels, attacks, world.model.contract.values)
    if not rows or rows[0].target != REFERENCE.id:
        return None
    if suite == ROBUSTMQ:
        systematic = systematic_of(world)
        found = table.table(rows, systematic.settings)
        claims = [
            *robustmq.claims(rows, systematic),
            *extremes.of_corruptions(rows),
            *extremes.of_filters(rows, systematic),
        ]
    else:
        found, claims = merkel.table(rows), merkel.claims(rows)
    return {
        "suite": suite,
        "rows": found,
        "claims": [one.to_dict() for one in claims],
        "notes": [*_notes(rows), *(scaled(rows) if suite == ROBUSTMQ else ())],
    }


def systematic_of(world: LoadedWorld) -> Systematic:
    """The settings of decoder and filter, and what the images lack to tell of them."""
    contract, source = world.model.contract, world.data.source
    sized = has_model_size(contract, source)
    lacks = []
    if not source.encoded:
        lacks.append("they are arrays, which were made JPEG for it")
    if sized:
        lacks.append("they have the model's size, and were enlarged for it")
    doubt = f"The images cannot tell it: {' and '.join(lacks)}. The figure is of these." if lacks else ""
    return Systematic(
        settings(contract.decoder if source.encoded else None, None if sized else contract.interpolation), doubt
    )


def _notes(rows: Sequence[Row]) -> list[str]:
    found = []
    guessing = [row.target for row in rows if row.guesses]
    if guessing:
        found.append(
            f"Left out of the sentences, as they may only guess: {', '.join(guessing)}. What is wrong anyway cannot be "
            "attacked."
        )
    unequal = [row.target for row in rows if row.quantized and row.width is None]
    if unequal:
        found.append(f"Left out, as weights and activations have other bits: {', '.join(unequal)}.")
    return found


def scaled(rows: Sequence[Row]) -> list[str]:
    """The strengths that are not the paper's own."""
    values = rows[0].values
    asked = {attack.kind.norm for row in rows for attack in row.attacks.values() if level_of(attack, values)}
    told = [
        f"{_NORMS[norm]} {', '.join(f'{eps:g}' for eps in study_strengths(norm, values))} for "
        f"{', '.join(f'{eps:g}' for eps in study_strengths(norm))}"
        for norm in _NORMS
        if norm in asked and values != PAPER_VALUES
    ]
    if not told:
        return []
    return [
        f"Strengths that the paper has for {PAPER_VALUES:,} values (3 x 224 x 224) are taken with the same change per "
        f"value for the {values:,} of these images: {'; '.join(told)}."
    ]

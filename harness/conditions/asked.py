"""From the ids that a run asks for to conditions: those that the model and its images give sense to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.ids import is_attack, parse_attack, refusal
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.pipeline import COMBINED, OWN, PREFIX, pipeline_questions
from seatrial.harness.conditions.suites import CorruptionOptions, make_condition


@dataclasses.dataclass(frozen=True)
class Asked:
    """conditions: in the order of reports. combined: whether their worst are to be stacked. notes: what was left out,
    and why.
    """

    conditions: tuple[Condition, ...]
    combined: bool
    notes: tuple[str, ...]


def resolve(
    ids: Sequence[str],
    named: Sequence[str],
    model: DeployableModel,
    options: CorruptionOptions,
    *,
    encoded: bool,
    sized: bool,
) -> Asked:
    """ids: as chosen by suite and globs. named: what the flags name. encoded: files, not arrays; sized: all images have
    the model's size.

    The combination takes all single pipeline conditions with it. UsageError, with the reason, for one that is named in
    full and has no sense here; those that only a suite or a pattern reaches are left out with a note.
    """
    pipeline = [name for name in ids if name.startswith(PREFIX)]
    ids, attack_notes = _attacks_with_sense(ids, named, model)
    conditions = [make_condition(name, options) for name in ids if not name.startswith(PREFIX)]
    if not pipeline:
        return Asked(tuple(conditions), False, attack_notes)
    questions = pipeline_questions(model, encoded=encoded, sized=sized)
    for name in named:
        if name in questions.refused:
            raise UsageError(f"{name} cannot be asked of this model and these images: {questions.refused[name]}.")
    combined = COMBINED in pipeline
    wanted = [name for name in (*questions.conditions, *questions.refused) if combined or name in pipeline]
    found = [questions.conditions[name] for name in questions.conditions if name in wanted]
    left_out = [f"{name} ({why})" for name, why in questions.refused.items() if name in wanted and why != OWN]
    notes = (f"Left out of the pipeline conditions: {'; '.join(left_out)}.",) if left_out else ()
    return Asked((*conditions, *found), combined, (*notes, *attack_notes))


def _attacks_with_sense(
    ids: Sequence[str], named: Sequence[str], model: DeployableModel
) -> tuple[list[str], tuple[str, ...]]:
    refused: dict[str, str] = {}
    for name in filter(is_attack, ids):
        reason = refusal(parse_attack(name), model.classes, model.contract.dtype)
        if reason is not None and name in named:
            raise UsageError(f"{name} cannot be asked of this model: {reason}.")
        if reason is not None:
            refused[name] = reason
    reasons: dict[str, list[str]] = {}
    for name, reason in refused.items():
        reasons.setdefault(reason, []).append(name)
    notes = tuple(f"Left out of the attacks: {', '.join(names)} ({reason})." for reason, names in reasons.items())
    return [name for name in ids if name not in refused], notes


def with_note_on_jpeg(asked: Asked, files: Sequence[str] | None) -> Asked:
    """With a note where decoders are asked about and not all images are JPEG: others give the same pixels in all.

    files: names of the images, None for arrays, which are made JPEG.
    """
    if files is None or not any(one.id.startswith(f"{PREFIX}decode=") for one in asked.conditions):
        return asked
    count = sum(name.lower().endswith((".jpg", ".jpeg")) for name in files)
    if count == len(files):
        return asked
    note = f"{count} of {len(files)} images are JPEG files: what loses nothing has the same pixels in all decoders."
    return dataclasses.replace(asked, notes=(*asked.notes, note))

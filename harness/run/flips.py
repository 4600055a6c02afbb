"""flips.json: which answers changed against the reference's, and the worst of these images as small pictures.

It is made again where the trials are others than those that it was made of, and else left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.files import value_digest
from seatrial.harness.conditions.kinds.protocol import Finished
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.finished import finished_of
from seatrial.harness.results.flips import Changes, Flip, named_flip, negative_flips, worst_flips
from seatrial.harness.run.pictures import Pictures
from seatrial.harness.run.thumbnails import data_uri
from seatrial.harness.spec.targets import Build

# Of what is written here.
_SCHEMA = 1


def file_flips(plan: Plan, directory: RunDirectory) -> None:
    """Writes the file where it is not there yet. plan: with all of its conditions.

    `classes`: names, or null. `condition`: the first. `targets`: by id, `first` (under that condition) and `all` (over
    all), of each `images` and `pairs` as of `Changes`. `pictures`: flips with `clean` and `seen`, data URIs or null.
    """
    failed = {failure["target"] for failure in directory.told_failures()}
    plan, finished = finished_of(plan, directory, failed)
    of = _made_of(plan, finished)
    path = finished.directory.flips
    if path.exists() and read_values(path)["of"] == of:
        return
    targets, flips = _changes(plan, finished)
    names = plan.class_names
    write_values(
        path,
        {
            "of": of,
            "classes": None if names is None else list(names),
            "condition": plan.conditions[0].id,
            "targets": targets,
            "pictures": _pictures(plan, finished, worst_flips(flips)),
        },
    )


def _made_of(plan: Plan, finished: Finished) -> str:
    """The hash of the trials and of the classes' names."""
    keys = [
        plan.key(Build(target), condition)
        for target in finished.targets
        for condition in plan.conditions
        if condition.id in finished.answers[target.id]
    ]
    return value_digest([_SCHEMA, keys, list(plan.class_names or ())])


def _changes(plan: Plan, finished: Finished) -> tuple[dict[str, Any], list[Flip]]:
    others = [target.id for target in finished.targets if target.id != finished.reference]
    first = {target: Changes() for target in others}
    every = {target: Changes() for target in others}
    flips: list[Flip] = []
    for condition, reference in finished.answers[finished.reference].items():
        for target in others:
            if condition not in finished.answers[target]:
                continue
            rows = finished.answers[target][condition]
            every[target].add(rows, reference)
            if condition == plan.conditions[0].id:
                first[target].add(rows, reference)
            flips.extend(negative_flips(target, condition, rows, reference))
    return {target: {"first": first[target].to_dict(), "all": every[target].to_dict()} for target in others}, flips


def _pictures(plan: Plan, finished: Finished, flips: Sequence[Flip]) -> list[dict[str, Any]]:
    if not flips:
        return []
    ids, labels = plan.data.ids, plan.data.labels
    conditions = {one.id: one for one in plan.conditions}
    pictures = Pictures(plan, finished, [flip.image for flip in flips])
    found = []
    for flip in flips:
        clean = pictures.clean(flip.image)
        seen = pictures.seen(conditions[flip.condition], flip.target, flip.image)
        found.append(
            {
                **named_flip(flip, ids[flip.image], int(labels[flip.image])),
                "clean": None if clean is None else data_uri(clean),
                "seen": None if seen is None else data_uri(seen),
            }
        )
    return found

"""places.json: which images two places answer differently.

It is made again where the trials are others than those that it was made of, and else left as it is.
"""

from __future__ import annotations

from seatrial.files import value_digest
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.finished import finished_of
from seatrial.harness.results.places import differing_images, pairs_of_places
from seatrial.harness.spec.targets import Build

# Of what is written here.
_SCHEMA = 1


def file_places(plan: Plan, directory: RunDirectory) -> None:
    """Writes the file where it is not there yet; none where no two targets are to be compared. plan: with all of its
    conditions.
    """
    failed = {failure["target"] for failure in directory.told_failures()}
    plan, finished = finished_of(plan, directory, failed)
    asked = pairs_of_places(finished.targets)
    if not asked:
        directory.places.unlink(missing_ok=True)
        return
    keys = [[plan.key(Build(one), condition) for one in pair] for pair in asked for condition in plan.conditions]
    of = value_digest([_SCHEMA, keys, list(plan.class_names or ())])
    if directory.places.exists() and read_values(directory.places)["of"] == of:
        return
    classes = None if plan.class_names is None else list(plan.class_names)
    pairs = differing_images(finished, plan.data.ids)
    write_values(directory.places, {"of": of, "classes": classes, "pairs": pairs})

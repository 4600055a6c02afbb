"""What a run directory lacks of what its plan asks for."""

from __future__ import annotations

from collections.abc import Collection

from seatrial.harness.plan.following import with_following
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.timing.missing import is_timed
from seatrial.harness.run.trials import remaining
from seatrial.harness.spec.targets import Build


def is_finished(plan: Plan, directory: RunDirectory) -> bool:
    """True where nothing is left to do. A target that failed is tried again."""
    if is_idle(plan):
        return directory.run_json.exists()
    done = not directory.failures.exists() and (directory.findings.exists() or not looks(plan))
    return done and len(plan.asked) == len(plan.targets) and is_whole(plan, directory, plan.builds)


def is_idle(plan: Plan) -> bool:
    """True for a shard to which nothing falls."""
    return plan.part is not None and not plan.part and not plan.leads


def looks(plan: Plan) -> bool:
    """True where causes are looked for: once, and of images that came corrupted not before all answers are there."""
    return plan.leads and (plan.part is None or plan.released is None)


def is_whole(plan: Plan, directory: RunDirectory, builds: Collection[Build]) -> bool:
    """True where all is there that is to be summed up of them. plan: with the conditions that hang on answers."""
    names = {build.id for build in builds}
    return (
        directory.run_json.exists()
        and directory.audit.exists()
        and names <= read_values(directory.audit)["targets"].keys()
        and (not plan.leads or is_timed(plan, directory, list(builds)))
        and not any(names & set(pending.targets) for pending in remaining(plan, directory))
    )


def needed(plan: Plan, directory: RunDirectory, builds: Collection[Build]) -> list[Build]:
    """Those of the builds of which something is left to do: the others are not missed where they cannot be had."""
    whole = with_following(plan, directory.trials)
    return [build for build in builds if not is_whole(whole, directory, [build])]

"""One shard of a run: its own conditions, answered by all targets; no verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.engines.boards.places import Places
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.run.run import begun, run_what_is_left
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.shard import Shard


@dataclasses.dataclass(frozen=True)
class ShardDone:
    """shard: which. directory: where it lies. conditions: how many fell to it, of how many. trials: its own. failed:
    targets that came to no end, as in failures.json. later: ids of what hangs on the answers of all shards.
    """

    shard: Shard
    directory: Path
    conditions: int
    of_conditions: int
    trials: int
    failed: Sequence[dict[str, Any]]
    later: Sequence[str]


def run_shard(spec: RunSpec, progress: Progress | None = None, places: Places | None = None) -> ShardDone:
    """Runs or continues the shard that the spec names. It raises what a run raises, and as a run's its directory keeps
    what is finished. Nothing is summed up or judged: that is for all shards together (`harness.run.merging`).
    """
    assert spec.shard is not None
    progress = progress or Silent()
    with begun(spec, progress, places) as (plan, directory):
        run_what_is_left(plan, directory, progress)
        trials = sum(plan.answers(build, condition) for build in plan.builds for condition in plan.conditions)
        mine = sum(plan.part is None or condition.id in plan.part for condition in plan.conditions)
        failed = directory.told_failures()
        return ShardDone(spec.shard, directory.root, mine, len(plan.conditions), trials, failed, plan.later)

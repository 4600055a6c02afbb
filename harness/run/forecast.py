"""What a run would do, how long that would take and how much disk: told from its plan and a few images of it, with
nothing written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.cache import CACHE_VARIABLE, cache_root
from seatrial.engines.places import build
from seatrial.exporters.float_view import float_view
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import is_run_together
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import SourceReader
from seatrial.harness.pipeline.numbers import tensor
from seatrial.harness.plan.making import Held, make_plan
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.predictions import TOP_K
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.trials import remaining
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE
from seatrial.scratch import scratch

# Images that are measured on, and the seconds that all conditions together are tried for.
SAMPLE = 8
_CONDITIONS_S = 5.0
# An estimate from so little is told as a span: from half of it to twice as much.
ROUGH = 2.0
# Of a row: label, answer, the best classes, a share and a margin, of 8 bytes each at most.
_ROW_BYTES = 8 * (4 + TOP_K)


@dataclasses.dataclass(frozen=True)
class Measured:
    """Seconds: decoding an image, a query of one image and an image of a batch on the reference engine, and an
    engine's start. changing: of each condition that was tried, to change an image.
    """

    decode_s: float
    query_s: float
    answer_s: float
    start_s: float
    changing: Mapping[str, float]

    def change_s(self, condition_id: str) -> float:
        """The mean of the others for a condition that there was no time for."""
        if condition_id in self.changing or not self.changing:
            return self.changing.get(condition_id, 0.0)
        return sum(self.changing.values()) / len(self.changing)


@dataclasses.dataclass(frozen=True)
class Forecast:
    """seconds: by stage, each roughly. untold: what is not estimated, and why. held: trials that the run directory has
    already, of `trials`. disk: bytes at most, by what they are for.
    """

    plan: Plan
    left: Sequence[Pending]
    trials: int
    held: int
    seconds: Mapping[str, float]
    untold: Sequence[str]
    disk: Mapping[str, int]
    by_ledger: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        plan, total = self.plan, sum(self.seconds.values())
        return {
            "schema": 1,
            "model": {"name": plan.model.name, "digest": plan.model.digest, "classes": plan.model.classes},
            "variants": {name: model.digest for name, model in plan.variants.items()},
            "data": {"name": plan.data_name, "images": len(plan.data), "labelled": plan.data.labelled},
            "calibration_images": None if plan.calib is None else len(plan.calib),
            "targets": [target.id for target in plan.asked],
            "conditions": list(plan.asked_ids),
            "out": os.fspath(plan.out),
            "shard": None if plan.spec.shard is None else str(plan.spec.shard),
            "trials": {"all": self.trials, "there": self.held},
            "seconds": {
                "stages": {name: round(value, 1) for name, value in self.seconds.items()},
                "low": round(total / ROUGH, 1),
                "high": round(total * ROUGH, 1),
                "by_ledger": self.by_ledger,
                "not_estimated": list(self.untold),
            },
            "bytes_at_most": dict(self.disk),
            "notes": list(plan.notes),
        }


def forecast(spec: RunSpec, progress: Progress) -> Forecast:
    """Raises what making the plan raises: what is wrong with the command is told as by the run itself."""
    with _nothing_kept():
        stored = None if spec.out is None else RunDirectory(spec.out).description()
        plan = make_plan(spec, progress, Held.of(stored))
        directory = RunDirectory(plan.out)
        if stored is None:
            stored = directory.description()
        directory.check(stored, plan.identity.to_dict())
        left = remaining(plan, directory)
        trials = sum(plan.answers(build, condition) for build in plan.builds for condition in plan.conditions)
        held = trials - sum(len(one.targets) for one in left)
        if not left:
            return Forecast(plan, left, trials, held, {}, (), {}, False)
        with progress.stage("Measuring on a few images", 1, "steps") as update:
            found = _measured(plan, left)
            update(1)
    known = _by_ledger(directory, held)
    seconds = seconds_of(plan, left, found, known)
    return Forecast(plan, left, trials, held, seconds, untold(left), disk_of(plan, left), known is not None)


@contextlib.contextmanager
def _nothing_kept() -> Iterator[None]:
    """Meanwhile the cache is an empty one that goes away, in which the demo's images lie if they are there."""
    before, real = os.environ.get(CACHE_VARIABLE), cache_root()
    with scratch() as folder:
        for there in real.glob("demo-v*"):
            (folder / there.name).symlink_to(there.resolve())
        os.environ[CACHE_VARIABLE] = str(folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ[CACHE_VARIABLE]
            else:
                os.environ[CACHE_VARIABLE] = before


def _measured(plan: Plan, left: Sequence[Pending]) -> Measured:
    count = min(SAMPLE, len(plan.data))
    data = plan.data if plan.released is None else next(iter(plan.released.values()))
    reader = SourceReader(data, plan.model.contract)
    reader.read(0, 1)  # the first one is slower: libraries are loaded
    begin = time.perf_counter()
    images = reader.read(0, count)
    decode_s = (time.perf_counter() - begin) / count
    model = float_view(plan.source(REFERENCE))
    begin = time.perf_counter()
    with build(REFERENCE.engine, plan.request(REFERENCE, model), plan.spec.limits) as engine:
        start_s = time.perf_counter() - begin
        inputs = tensor(images, model.contract)
        engine.infer(inputs)  # the first call is slower
        answer_s = min(_taken(lambda: engine.infer(inputs)) for _ in range(3)) / count
        query_s = min(_taken(lambda: engine.infer(inputs[:1])) for _ in range(3))
    return Measured(decode_s, query_s, answer_s, start_s, _changing(plan, left, images))


def _changing(plan: Plan, left: Sequence[Pending], images: Pixels) -> dict[str, float]:
    """Condition by condition from all over the list, on two images each, as long as there is time."""
    found: dict[str, float] = {}
    begin, ids = time.perf_counter(), plan.data.ids
    conditions = [one.condition for one in left if one.condition.transform is not None]
    for condition in _spread(conditions):
        if time.perf_counter() - begin > _CONDITIONS_S:
            break
        pixels = images[:2]
        condition.apply(pixels[:1], ids[:1], plan.spec.seed)  # textures and tables are made at first use
        found[condition.id] = _taken(lambda: condition.apply(pixels, ids[: len(pixels)], plan.spec.seed)) / len(pixels)  # noqa: B023
    return found


def _spread(items: Sequence[Any]) -> list[Any]:
    """All of them, each stride of the list before its neighbours."""
    stride = max(1, math.isqrt(len(items)))
    return [item for first in range(stride) for item in items[first::stride]]


def _taken(call: Any) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _by_ledger(directory: RunDirectory, held: int) -> float | None:
    """Seconds of a trial, as the run directory tells of those that it has; None where it tells nothing."""
    if not held or not directory.spent.exists():
        return None
    spent = read_values(directory.spent)
    return float(spent.get("wall", 0.0)) / held or None


def _plain(one: Pending) -> bool:
    return is_run_together(one.condition.id)


def seconds_of(plan: Plan, left: Sequence[Pending], found: Measured, by_ledger: float | None) -> dict[str, float]:
    """Of each stage. by_ledger: seconds of a trial, where an earlier part of the run tells them."""
    spec, images = plan.spec, len(plan.data)
    calibrating = [target for target in plan.targets if plan.calibrates(target)]
    at_once = min(spec.work.workers, os.cpu_count() or 1)
    plain = [one for one in left if _plain(one)]
    if by_ledger is None:
        changing = sum(
            found.change_s(one.condition.id) + (found.decode_s if one.condition.from_source else 0.0) for one in plain
        )
        asking = sum(len(one.targets) for one in plain) * found.answer_s
        trials = images * (changing + asking) / at_once
    else:
        trials = by_ledger * sum(len(one.targets) for one in plain)
    # Every range is looked for once, and once more to compare file and engine.
    calibrated = 0 if plan.calib is None else len(plan.calib)
    stages = {
        "reading images": (images + calibrated) * found.decode_s / at_once,
        "quantizing": len(calibrating) * calibrated * found.answer_s * 2 * 2,
        "building": len(plan.builds) * found.start_s,
        "timing": _timing_s(plan, found) if plan.leads else 0.0,
        "trials": trials,
    }
    return {name: value for name, value in stages.items() if value}


def _timing_s(plan: Plan, found: Measured) -> float:
    """Starts of every target, each with its queries; half of the budget for more of them."""
    timing, builds = plan.spec.timing, len(plan.builds)
    one = found.start_s + max(timing.duration_s, found.query_s)
    in_turns = [name for name in timing.scenarios if name != "sustained"]
    sustained = timing.sustained_s * builds if "sustained" in timing.scenarios else 0.0
    return len(in_turns) * timing.starts * builds * one + timing.budget_s / 2 + sustained


def untold(left: Sequence[Pending]) -> list[str]:
    """What the stages leave out."""
    apart = [one.condition.id for one in left if not _plain(one)]
    if len(apart) == 1:
        return [f"1 condition whose images are searched for ({apart[0]})"]
    return [f"{len(apart)} conditions whose images are searched for ({apart[0]}, ...)"] if apart else []


def disk_of(plan: Plan, left: Sequence[Pending]) -> dict[str, int]:
    """Bytes at most: rows as they are before they are compressed."""
    images, height_width = len(plan.data), plan.model.contract.size
    image_bytes = math.prod(height_width) * 3
    names = sum(len(name.encode(errors="replace")) for name in plan.data.ids)
    rows = sum(len(one.targets) for one in left)
    searched = [one for one in left if not _plain(one)]
    files = [target for target in plan.targets if plan.calibrates(target)]
    found = {
        "trials": rows * (images * _ROW_BYTES + names),
        "scratch while it runs": (images + (0 if plan.calib is None else len(plan.calib))) * image_bytes,
        "quantized files in the cache": sum(len(plan.source(target).onnx_bytes) for target in files),
        "adversarial images in the cache": len(searched) * images * image_bytes,
    }
    return {name: value for name, value in found.items() if value}

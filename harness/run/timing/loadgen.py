"""MLPerf's load generator beside our own loops: the same engine, asked by another; its logs are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seatrial.engines.timing.block import Block
from seatrial.engines.timing.loadgen import SCENARIOS
from seatrial.engines.timing.loadgen_log import LOGS, LoadgenResult
from seatrial.engines.timing.scenario import SCENARIOS as KNOWN
from seatrial.files import value_digest, write_text
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.run.timing.scenes import scene_of

# Its queries take at least so many times what ours take in one process: it has one process, ours have several.
_LEAST_S = 1.0


def ask_loadgen(session: Session, ready: Ready, scenario: str, rate: float | None) -> dict[str, Any] | None:
    """One entry of timing.json's `loadgen`; None for a scenario that it does not have, and for server where no rate
    keeps the bound. rate: of server, that our own search found. Raises what the engine raises.
    """
    if scenario not in SCENARIOS or (scenario == "server" and rate is None):
        return None
    plan, scene = session.plan, scene_of(session, scenario, ready)
    seconds = max(_LEAST_S, plan.spec.timing.duration_s * plan.spec.timing.starts)
    percentile = KNOWN[scenario].percentile
    block = Block(
        scenario,
        queries=1 if percentile is None else minimum(percentile),
        seconds=seconds,
        samples=scene.samples,
        workers=scene.workers,
        rate=rate if scenario == "server" else None,
        seed=plan.spec.seed,
    )
    found = ready.engine.loadgen(block, bound_ms=plan.spec.timing.bound_ms)
    return entry_of(found, keep_logs(session.directory, ready.id, scene.key, found))


def entry_of(found: LoadgenResult, logs: Sequence[str]) -> dict[str, Any]:
    """JSON values. logs: paths within the run directory."""
    return {
        **{f"{name}_ms": value for name, value in found.milliseconds.items()},
        "bounds_ms": dict(found.bounds_ms),
        "images_per_s": found.images_per_s,
        "samples": found.queries,
        "version": found.version,
        "valid": found.valid,
        "says": list(found.says),
        "checked": found.checked,
        "wrong": found.wrong,
        "logs": list(logs),
    }


def keep_logs(directory: RunDirectory, target: str, scenario: str, found: LoadgenResult) -> list[str]:
    """Writes its logs below the run directory; their paths in it. What has no name of its logs is left out."""
    folder = directory.loadgen / folder_of(target) / scenario
    kept = []
    for name in LOGS:
        if name in found.logs:
            write_text(folder / name, found.logs[name])
            kept.append((folder / name).relative_to(directory.root).as_posix())
    return kept


def folder_of(target: str) -> str:
    """A build's id as the name of a folder on any system; no two ids have one.

    >>> folder_of("onnxruntime/int8@cpu#2")
    'onnxruntime-int8-cpu-2-b53e5723'
    """
    return f"{re.sub('[^A-Za-z0-9._]+', '-', target).strip('.-')}-{value_digest(target)[:8]}"

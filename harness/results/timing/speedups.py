"""How many times faster a target is than the fp32 target of its place, in each scenario, and why that is not known
more closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seatrial.harness.metrics.latency_ratio import (
    Round,
    Speedup,
    paired,
    ratio_of_rates,
    speedup,
    speedup_of_rounds,
    tells,
)
from seatrial.harness.records.latencies import Nanoseconds
from seatrial.harness.records.timing import board_of
from seatrial.harness.results.timing.figures import refused, round_rates
from seatrial.harness.results.timing.record import MULTI, OFFLINE, SERVER, SINGLE, SUSTAINED, TimedRun


def speedups_of(
    run: TimedRun, reference: str, builds: Sequence[str], seed: int, *, only: str | None = None
) -> dict[str, dict[str, Any]]:
    """Key of a scenario -> `against`, `ratio`, `ci95`, `rounds`, `width` of the interval as a share, and `wide`: why it
    is wider than was asked, in words, None where it is not. Scenarios without both sides are missing.

    reference, builds: of one place, which `against` names. only: one scenario.
    """
    told = _speedups(run, reference, builds, seed, only)
    return {key: {"against": reference, **one} for key, one in told.items()}


def _speedups(
    run: TimedRun, reference: str, builds: Sequence[str], seed: int, only: str | None
) -> dict[str, dict[str, Any]]:
    board = board_of(reference)
    found: dict[str, Any] = {}
    for key in (SINGLE, MULTI) if only is None else (only,):
        one = _of_streams(run, reference, builds, key, seed)
        if one is not None:
            found[key] = _values(run, one, board, key)
    if only is not None:
        return found
    first = builds[0]
    if run.has(first, OFFLINE) and run.has(reference, OFFLINE):
        sides = [round_rates(run, name) for name in (reference, first)]
        count = min(map(len, sides))
        rated = ratio_of_rates(sides[0][:count], sides[1][:count], looks=run.budget_s > 0)
        if rated is not None:
            found[OFFLINE] = _values(run, rated, board, OFFLINE)
    server = _of_server(run, reference, first)
    if server is not None:
        found[SERVER] = server
    if run.has(first, SUSTAINED) and run.has(reference, SUSTAINED):
        late = [_last_third(run, name) for name in (reference, first)]
        if tells([Round(late[0], [late[1]])]):
            found[SUSTAINED] = _values(run, speedup(late[0], [late[1]], seed=seed), board, SUSTAINED)
    return found


def _of_streams(run: TimedRun, reference: str, builds: Sequence[str], key: str, seed: int) -> Speedup | None:
    names = (reference, *builds)
    if not all(run.has(name, key) for name in names):
        return None
    kept = {name: run.kept(name, key) for name in names}
    numbers = np.unique(kept[reference].round).tolist()
    rounds = [{name: one.taken[one.round == number] for name, one in kept.items()} for number in numbers]
    found = paired(rounds, reference, builds)
    return speedup_of_rounds(found, seed=seed, looks=run.budget_s > 0) if tells(found) else None


def _of_server(run: TimedRun, reference: str, build: str) -> dict[str, Any] | None:
    """Of the rates that keep the bound: the interval is that of the rates that were tried."""
    one, base = run.entry(build, SERVER), run.entry(reference, SERVER)
    if not one.get("rate") or not base.get("rate"):
        return None
    ratio, low, high = one["rate"] / base["rate"], one["rate"] / refused(base), refused(one) / base["rate"]
    return {"ratio": ratio, "ci95": [low, high], "rounds": 1, "width": (high - low) / ratio, "wide": None}


def _last_third(run: TimedRun, build: str) -> Nanoseconds:
    samples = run.samples(build, SUSTAINED)
    end = int(samples.begin.max())
    return samples.taken[samples.begin >= end - (end - int(samples.begin.min())) // 3]


def _values(run: TimedRun, found: Speedup, board: str | None, key: str) -> dict[str, Any]:
    return {
        "ratio": found.ratio,
        "ci95": list(found.ci95),
        "rounds": found.rounds,
        "width": found.width,
        "wide": _why_wide(run, found, board, key),
    }


def _why_wide(run: TimedRun, found: Speedup, board: str | None, key: str) -> str | None:
    if found.width <= run.width:
        return None
    rounds = run.rounds(board, key)
    disturbed = [one for one in rounds if one.get("reasons")]
    left_out = sum(not one["kept"] for one in disturbed)
    if disturbed and not left_out:
        cause = f"something disturbed it: {disturbed[0]['reasons'][0]}"
    elif found.between is None:
        cause = "the queries of the single start scatter, and what processes differ by is not in it"
    elif found.within is not None and found.within**2 > found.between**2 / 2:
        cause = "the queries of a start are few for how they scatter"
    else:
        cause = f"processes of the same files differ by {found.between:.1%}"
    if left_out:
        cause += f", and {left_out} of {len(rounds)} starts were disturbed and left out"
    ended = {
        "budget": f"; --timing-budget {run.budget_s:g} is spent",
        "asked": "; --starts, or a --timing-budget, adds to them",
    }.get(run.stopped(board, key) or "", "")
    return f"it is known to {found.width:.1%}, not to {run.width:.0%}: {cause}{ended}"

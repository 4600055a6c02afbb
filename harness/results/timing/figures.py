"""The `latency` of a target in summary.json: a scenario's figures each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seatrial.harness.metrics.early_stopping import carried
from seatrial.harness.metrics.percentiles import interval, latency_summary, nearest_rank
from seatrial.harness.metrics.steady import minutes, part_s, steady
from seatrial.harness.metrics.throughput import mean_rate, rates
from seatrial.harness.records.latencies import Samples
from seatrial.harness.records.timing import board_of
from seatrial.harness.results.timing.record import MULTI, OFFLINE, SERVER, SINGLE, SUSTAINED, TimedRun, Values


def latency_of(run: TimedRun, build: str) -> dict[str, Any]:
    """By scenario, and `device` and `end_to_end`; what was not timed is missing. docs/results.md says what is in it."""
    found: dict[str, Any] = {}
    for key in (SINGLE, MULTI):
        if run.has(build, key):
            found[key] = _stream(run, build, key)
    for key, describe in ((OFFLINE, _offline), (SERVER, _server), (SUSTAINED, _sustained)):
        if run.has(build, key):
            found[key] = describe(run, build)
    known = run.target(build)
    return {**found, **{name: known[name] for name in ("device", "end_to_end") if known.get(name)}}


def round_rates(run: TimedRun, build: str) -> list[float]:
    """Offline images a second, of each round that stands; of a single round, of each of its blocks."""
    samples, entry = run.kept(build, OFFLINE), run.entry(build, OFFLINE)
    groups = samples.round if len(np.unique(samples.round)) > 1 else samples.block
    return rates(samples.taken, groups, images=int(entry.get("batch") or 1), workers=int(entry.get("workers") or 1))


def _stream(run: TimedRun, build: str, key: str) -> dict[str, Any]:
    samples = run.kept(build, key)
    kept = len(np.unique(samples.round))
    return {
        **latency_summary(samples.taken, samples.round, samples.block),
        "rounds": max(kept, len(run.rounds(board_of(build), key))),
        "kept_rounds": kept,
    }


def _offline(run: TimedRun, build: str) -> dict[str, Any]:
    entry = run.entry(build, OFFLINE)
    rate, span = mean_rate(round_rates(run, build))
    batch = int(entry.get("batch") or 1)
    return {
        "images_per_s": rate,
        "ci95": None if span is None else list(span),
        "images": len(run.kept(build, OFFLINE)) * batch,
        "batch": batch,
        "workers": entry.get("workers"),
    }


def _server(run: TimedRun, build: str) -> dict[str, Any]:
    """`queries_per_s` is None where no rate keeps the bound; `ends` lie between the rate that keeps it and the least
    that was tried and does not.
    """
    entry = run.entry(build, SERVER)
    rate, samples = entry.get("rate"), run.kept(build, SERVER)
    # Rates that were confirmed in vain are kept, too: what stands is the rate that was found.
    samples = samples.where(np.char.equal(samples.setting, "" if rate is None else f"rate={rate:.6g}"))
    taken = samples.taken
    tells = rate is not None and 99 in carried(len(taken))
    span = interval(taken, 99, blocks=samples.block) if tells else None
    return {
        "queries_per_s": rate,
        "ends": None if rate is None else [rate, refused(entry)],
        "bound_ms": entry.get("bound_ms"),
        "p99_ms": nearest_rank(taken, 99) / 1e6 if tells else None,
        "p99_ci95": None if span is None else [end / 1e6 for end in span],
        "tried": list(entry.get("tried") or ()),
        "workers": entry.get("workers"),
    }


# How closely rates are searched, where none above the one that was found was tried.
_CLOSE = 1.05


def refused(entry: Values) -> float:
    """The smallest rate above the one that keeps the bound that was tried and does not keep it."""
    rate = float(entry["rate"])
    above = [one["rate"] for one in entry.get("tried") or () if not one["keeps"] and one["rate"] > rate]
    return float(min(above, default=rate * _CLOSE))


def _sustained(run: TimedRun, build: str) -> dict[str, Any]:
    samples, entry = run.samples(build, SUSTAINED), run.entry(build, SUSTAINED)
    seconds = _seconds(samples)
    length = part_s(seconds)
    parts = minutes(samples.begin - samples.begin.min(), samples.taken, length, entry.get("readings") or ())
    # A part that has only begun has a few queries, which stand for nothing.
    whole = parts[:-1] if len(parts) > 1 and seconds - parts[-1]["from_s"] < length / 2 else parts
    found = steady(whole)
    return {
        "minutes": whole,
        "part_s": length,
        "seconds": seconds,
        "drift": None if found is None else found.drift,
        "steady_from_s": None if found is None else found.from_s,
        "p50_ms": nearest_rank(samples.taken, 50) / 1e6 if found is None else found.p50_ms,
    }


def _seconds(samples: Samples) -> float:
    return float((samples.begin + samples.taken).max() - samples.begin.min()) / 1e9


def minutes_of(latencies: Sequence[tuple[str, Values]]) -> dict[str, list[Values]]:
    """Target id -> minutes, of those that have some. latencies: target id and `latency`."""
    return {name: list(one[SUSTAINED]["minutes"]) for name, one in latencies if SUSTAINED in one}

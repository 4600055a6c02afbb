"""What the report shows beside the summary, read from the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.records.checked import read_values
from seatrial.harness.records.latencies import read_samples, timed
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import read_timing
from seatrial.harness.report.page.part import Shown
from seatrial.harness.report.tracks import Track, track

# The search for a rate asks at many of them: over time, its latencies tell of the search.
_NOT_DRAWN = "server"


def shown_of(directory: RunDirectory, summary: Mapping[str, Any]) -> Shown:
    """The summary with what lies beside it; what is not there is empty. DamagedError for a damaged file."""
    names = [target["id"] for target in summary["targets"]]
    audits = read_values(directory.audit)["targets"] if directory.audit.exists() else {}
    return Shown(
        summary,
        layers={name: audits[name]["layers"] for name in names if name in audits},
        timing=read_timing(directory.timing),
        tracks=_tracks(directory, names),
        flips=read_values(directory.flips) if directory.flips.exists() else {},
        places=read_values(directory.places) if directory.places.exists() else {},
    )


def _tracks(directory: RunDirectory, names: list[str]) -> dict[str, dict[str, Track]]:
    """The samples of one target in one scenario at a time: a sustained run has millions."""
    there = timed(directory.latency) if directory.latency.exists() else set()
    found: dict[str, dict[str, Track]] = {}
    for target, scenario in sorted(there, key=lambda key: names.index(key[0]) if key[0] in names else -1):
        if target in names and scenario != _NOT_DRAWN:
            samples = read_samples(directory.latency, target, scenario)
            found.setdefault(scenario, {})[target] = track(samples.begin, samples.taken, samples.kept)
    return found

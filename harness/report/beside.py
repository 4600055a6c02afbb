"""What the report shows beside the summary, read from the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.records.checked import read_values
from seatrial.harness.records.latencies import read_latencies, timed_targets
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.page.part import Shown


def shown_of(directory: RunDirectory, summary: Mapping[str, Any]) -> Shown:
    """The summary with layers, latencies and flips; what is not there is empty. DamagedError for a damaged file."""
    names = [target["id"] for target in summary["targets"]]
    audits = read_values(directory.audit)["targets"] if directory.audit.exists() else {}
    timed = timed_targets(directory.latency) if directory.latency.exists() else set()
    return Shown(
        summary,
        layers={name: audits[name]["layers"] for name in names if name in audits},
        latencies=read_latencies(directory.latency, [name for name in names if name in timed]) if timed else {},
        flips=read_values(directory.flips) if directory.flips.exists() else {},
    )

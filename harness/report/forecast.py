"""What a run would do, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.report.progress import duration
from seatrial.harness.typeset.numbers import size
from seatrial.harness.typeset.tables import facts
from seatrial.harness.typeset.terminal import say


def print_forecast(found: Mapping[str, Any], console: Console) -> None:
    """found: as of `Forecast.to_dict`."""
    console.print(facts(_rows(found)))
    for note in found["notes"]:
        say(console, note)
    say(console, "Nothing was run and nothing written. Without --dry-run the same command does it.")


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = Counter(kind_of(name).name for name in found["conditions"])
    trials, seconds, calib = found["trials"], found["seconds"], found["calibration_images"]
    there = f", {trials['there']:,} of them there already" if trials["there"] else ""
    source = "the trials as those that are there took" if seconds["by_ledger"] else "measured on a few images"
    rows = [
        ("model", f"{found['model']['name']}, {found['model']['classes']} classes"),
        *(("variant", name) for name in found["variants"]),
        ("images", f"{found['data']['images']:,} of {found['data']['name']}"),
        *([] if calib is None else [("calibration images", f"{calib:,}")]),
        *(("target", name) for name in found["targets"]),
        ("conditions", f"{len(found['conditions'])}: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"),
        *([] if found["shard"] is None else [("shard", f"{found['shard']}, whose trials these are")]),
        ("trials", f"{trials['all']:,}{there}"),
        ("run directory", found["out"]),
    ]
    if trials["there"] < trials["all"]:
        told = ", ".join(f"{name} {duration(value)}" for name, value in seconds["stages"].items())
        rows += [
            ("time", f"{duration(seconds['low'])} to {duration(seconds['high'])}: a rough guess, {source}"),
            ("of it, about", told),
            *(("not estimated", what) for what in seconds["not_estimated"]),
            ("disk, at most", ", ".join(f"{name} {size(value)}" for name, value in found["bytes_at_most"].items())),
        ]
    return rows

"""The files of a run that are made from its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seatrial.files import write_json, write_text
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.files.bencher import benchmarks
from seatrial.harness.report.files.junit import junit
from seatrial.harness.report.files.markdown import markdown
from seatrial.harness.report.files.metrics import metrics

_WRITERS: Mapping[str, Callable[[Path, Mapping[str, Any]], None]] = {
    "report.md": lambda path, summary: write_text(path, markdown(summary)),
    "junit.xml": lambda path, summary: write_text(path, junit(summary)),
    "metrics.json": lambda path, summary: write_json(path, metrics(summary)),
    "bencher.json": lambda path, summary: write_json(path, benchmarks(summary)),
}


def write_files(directory: RunDirectory, summary: Mapping[str, Any]) -> None:
    """Each atomically."""
    for path in directory.made_of_summary:
        _WRITERS[path.name](path, summary)

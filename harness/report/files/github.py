"""GitHub Actions: the page of a step, and annotations."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.harness.report.files.markdown import markdown
from seatrial.text import shown

# GitHub shows ten of a kind for a step; the last one says how many there are.
_MOST = 9
# It refuses the whole page of a step beyond this.
_MOST_BYTES = 1 << 20


def annotation_lines(summary: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Lines for standard output, the worst first; none but in a job of GitHub Actions."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    found = list(_found(summary))
    lines = [_command(*one) for one in found[:_MOST]]
    rest = len(found) - _MOST
    return [*lines, _command("warning", "", f"and {rest} more, in report.md")] if rest > 0 else lines


def error_lines(message: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The same for a command that came to no result."""
    return [_command("error", "", message)] if environment.get("GITHUB_ACTIONS") == "true" else []


def append_page(summary: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> None:
    """Adds report.md to the page of the step, where there is one with room for it; OSError where the disk refuses."""
    name = environment.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    path, page = Path(name), f"{markdown(summary)}\n".encode()
    held = path.stat().st_size if path.exists() else 0
    if held + len(page) < _MOST_BYTES:
        with path.open("ab") as stream:
            stream.write(page)


def _found(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Level, title and message of each check that did not pass: first what makes the run ANOMALOUS, then what fails,
    what the images are too few for, and what advises.
    """
    checks = [check for check in summary["gate"]["checks"] if check["answer"] != "pass"]
    for check in sorted(checks, key=_rank):
        level = "error" if _rank(check) < 2 and not summary["gate"]["advisory"] else "warning"
        yield level, f"{check['target']}: {check['name']}, {check['answer']}", check["says"]


def _rank(check: Mapping[str, Any]) -> int:
    if check["answer"] == "fail" and check["binding"] != "no":
        return 0 if check["suspect"] else 1
    return 2 if check["binding"] == "yes" else 3


def _command(level: str, title: str, message: str) -> str:
    """As the runner reads it: https://github.com/actions/toolkit, packages/core/src/command.ts."""
    escaped = _data(f"seatrial, {title}" if title else "seatrial").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={escaped}::{_data(message)}"


def _data(words: str) -> str:
    return shown(words).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

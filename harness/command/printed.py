"""What a run's result prints: tables, the verdict alone, or JSON; and what a job of GitHub Actions reads."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.files import read_text
from seatrial.harness.command.flags.output import Output
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.console import print_summary, print_verdict
from seatrial.harness.report.files.github import annotation_lines, append_page
from seatrial.harness.typeset.terminal import Terminal, put

_LOG = logging.getLogger("seatrial")


def print_result(summary: Mapping[str, Any], directory: Path, asked: Output, console: Console) -> None:
    """summary: as in summary.json. Annotations go to standard output, or to standard error where that is for JSON."""
    if asked.json:
        put(console, read_text(RunDirectory(directory).summary))
    else:
        show = print_verdict if asked.quiet else print_summary
        with _no_commands(console):
            show(summary, directory, console)
    for line in annotation_lines(summary):
        put(Terminal(stderr=True) if asked.json else console, f"{line}\n")
    try:
        append_page(summary)
    except OSError as error:
        _LOG.warning("The page of this step cannot be written: %s.", error)


@contextlib.contextmanager
def _no_commands(console: Console) -> Iterator[None]:
    """Meanwhile GitHub's runner obeys no line of what is printed, whatever names it begins with."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    put(console, f"::stop-commands::{token}\n")
    try:
        yield
    finally:
        put(console, f"::{token}::\n")

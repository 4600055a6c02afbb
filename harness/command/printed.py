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
from seatrial.harness.command.flags.parser import program
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.console import print_summary, print_verdict
from seatrial.harness.report.files.github import annotation_lines, append_page
from seatrial.harness.run.shards import ShardDone
from seatrial.harness.typeset.terminal import Terminal, put, say, say_whole

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


def print_shard(done: ShardDone, console: Console) -> None:
    """What fell to a shard, where it lies, and what to do with it."""
    shard, first = done.shard, f"shard 1/{done.shard.of}"
    with _no_commands(console):
        told = (
            f"{done.conditions} of {done.of_conditions} conditions, {done.trials} trials" if done.trials else "nothing"
        )
        say(console, f"Shard {shard} of the run: {told}.")
        for failure in done.failed:
            say(console, f"{failure['target']} came to no end ({failure['stage']}): {failure['says']}", style="red")
        timed = "Targets were timed in it alone" if shard.number == 1 else f"Targets are timed in {first} alone"
        say(console, f"It is a part: nothing is summed up, and there is no verdict. {timed}.")
        if done.later:
            say(
                console,
                f"{', '.join(done.later)} hangs on the answers of all shards, and is run after they are merged.",
            )
        say_whole(console, f"Run directory: {done.directory}")
        say_whole(console, f"When all {shard.of} are there: {program()} merge RUN [RUN ...] --out DIR")


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

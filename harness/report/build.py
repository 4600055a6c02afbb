"""What was built, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from seatrial.harness.build.build import BuildResult
from seatrial.harness.report import words
from seatrial.harness.report.guard import cautions
from seatrial.harness.typeset import numbers, tables
from seatrial.harness.typeset.terminal import say, say_whole


def print_built(results: Sequence[BuildResult], console: Console) -> None:
    """A row for each target; below, the words of those that failed, and where a file was written."""
    table = tables.Listing(
        "", tables.name("target"), *tables.figures("nodes parsed", "size", "build s"), tables.words("realized")
    )
    for result in results:
        built = result.built
        nodes = f"{result.nodes}" if result.nodes else "-"
        if built is None:
            table.add(result.target.id, nodes, "-", "-", Text("not built", "red"))
            continue
        seconds = f"{built.build_s:.2f}{' (cached)' if built.from_cache else ''}"
        realized = "seen on the device only" if built.realized is None else words.realized(built.realized)
        table.add(result.target.id, nodes, numbers.size(built.engine_bytes), seconds, realized)
    console.print(table)
    for result in results:
        if result.error is not None:
            say(console, f"{result.target.id}: {result.error}", style="red")
        for caution in cautions(result.verdict, result.target.engine, result.version):
            say(console, caution, style="yellow")
        if result.file is not None:
            say_whole(console, f"Written: {result.file}")
    for note in dict.fromkeys(note for result in results for note in result.notes):
        say(console, note)

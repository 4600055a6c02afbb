"""What was built, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from seatrial.harness.build.build import BuildResult
from seatrial.harness.report import words
from seatrial.harness.report.guard import cautions
from seatrial.harness.typeset import numbers


def print_built(results: Sequence[BuildResult], console: Console) -> None:
    """A row for each target; below, the words of those that failed, and where a file was written."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("target", "nodes parsed", "size", "build s", "realized"):
        table.add_column(heading, justify="left" if heading in ("target", "realized") else "right")
    for result in results:
        built = result.built
        nodes = f"{result.nodes}" if result.nodes else "-"
        if built is None:
            table.add_row(escape(result.target.id), nodes, "-", "-", Text("not built", "red"))
            continue
        seconds = f"{built.build_s:.2f}{' (cached)' if built.from_cache else ''}"
        realized = "seen on the device only" if built.realized is None else words.realized(built.realized)
        table.add_row(escape(result.target.id), nodes, numbers.size(built.engine_bytes), seconds, realized)
    console.print(table)
    for result in results:
        if result.error is not None:
            console.print(Text(f"{result.target.id}: {result.error}", "red"))
        for caution in cautions(result.verdict, result.target.engine, result.version):
            console.print(Text(caution, "yellow"))
        if result.file is not None:
            console.print(f"Written: {result.file}", markup=False, highlight=False, soft_wrap=True)
    for note in dict.fromkeys(note for result in results for note in result.notes):
        console.print(note, markup=False, highlight=False)

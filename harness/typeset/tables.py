"""Tables of the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.markup import escape
from rich.table import Table


def titled(title: str, headings: Iterable[str] = ()) -> Table:
    """An empty table under a bold title. headings: of columns of figures behind a first one, which has none."""
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for index, heading in enumerate(headings):
        if not index:
            table.add_column("")
        table.add_column(escape(heading), justify="right")
    return table

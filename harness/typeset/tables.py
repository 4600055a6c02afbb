"""Tables of the terminal. They are as wide as it is: nothing is cut off, and no name is shortened.

What does not fit is laid out otherwise: the rows of a listing become paragraphs; the columns of a grid get numbers for
names, and stand below each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from seatrial.text import shown

# Text of one line, or of several; or with a style of its own.
Cell = str | tuple[str, ...] | Text
# Blanks around and between columns, for each.
_BETWEEN = 2
# What may be folded anywhere keeps this width.
_LEAST_FOLDED = 20


def _natural(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")))


def _longest_word(cell: Text) -> int:
    return min(max(map(cell_len, cell.plain.split()), default=0), _LEAST_FOLDED)


# How a column may be broken: `no`; between `words`; `folds` anywhere.
_LEAST: Mapping[str, Callable[[Text], int]] = {
    "no": _natural,
    "words": _longest_word,
    "folds": lambda cell: min(_natural(cell), _LEAST_FOLDED),
}


@dataclasses.dataclass(frozen=True)
class Column:
    """breaks: `no`, between `words`, or `folds` anywhere."""

    heading: str
    breaks: str = "no"
    left: bool = True


def name(heading: str) -> Column:
    """A column of names that tell rows apart: each stays whole."""
    return Column(heading)


def long_name(heading: str) -> Column:
    """A column of names that may be longer than a line."""
    return Column(heading, "folds")


def words(heading: str) -> Column:
    """A column of text."""
    return Column(heading, "words")


def figure(heading: str) -> Column:
    """A column of figures."""
    return Column(heading, left=False)


def figures(*headings: str) -> tuple[Column, ...]:
    """Several of them."""
    return tuple(map(figure, headings))


class Listing:
    """A row for each thing, a column for each of its properties; the first one names it."""

    def __init__(self, title: str, *columns: Column) -> None:
        self._title, self._columns = title, columns
        self._rows: list[tuple[list[Text], str]] = []

    def add(self, *cells: Cell, style: str = "") -> None:
        """A row. style: of its text."""
        self._rows.append(([_text(cell) for cell in cells], style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A table where it fits, else paragraphs."""
        if self._title:
            yield Text(shown(self._title), "bold")
        headings = [_text(column.heading) for column in self._columns]
        held = [[heading, *(cells[index] for cells, _ in self._rows)] for index, heading in enumerate(headings)]
        least = [max(map(_LEAST[column.breaks], cells)) for column, cells in zip(self._columns, held, strict=True)]
        if _room(least, options.max_width) < 0:
            yield from self._paragraphs()
            return
        table = _table()
        widths = _widths(least, [max(map(_natural, cells)) for cells in held], options.max_width)
        for column, heading, width in zip(self._columns, headings, widths, strict=True):
            table.add_column(heading, justify="left" if column.left else "right", width=width, overflow="fold")
        for cells, style in self._rows:
            table.add_row(*cells, style=style or None)
        yield table

    def _paragraphs(self) -> Iterable[Text]:
        width = max((cell_len(column.heading) for column in self._columns[1:]), default=0)
        yield Text()
        for cells, style in self._rows:
            yield Text.assemble(cells[0], style=style)
            for column, cell in zip(self._columns[1:], cells[1:], strict=True):
                if cell.plain not in ("", "-"):
                    value = Text("; ").join(cell.split("\n"))
                    yield Text.assemble(f"  {shown(column.heading):<{width}}  ", value, style=style)
        yield Text()


class Grid:
    """A row for each condition, a column for each target.

    notes: what stands below the names. numbered: numbers stand for the names in any case.
    """

    def __init__(
        self, title: str, names: Iterable[str], *, notes: Sequence[str] | None = None, numbered: bool = False
    ) -> None:
        self._title, self._names, self._numbered = title, [shown(one) for one in names], numbered
        self._notes = notes
        self._rows: list[tuple[Text, list[Text], str]] = []

    def add(self, row: Cell, *cells: Cell, style: str = "") -> None:
        """A row: what it is called, and a cell for each name."""
        self._rows.append((_text(row), [_text(cell) for cell in cells], style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One table under the names where it fits, else under numbers, else as many as it takes."""
        yield Text(shown(self._title), "bold")
        width, places = options.max_width, list(range(len(self._names)))
        headings = self._headings(self._names)
        if not self._numbered and _room(self._least(headings, places), width) >= 0:
            yield self._drawn(headings, places, width)
            return
        numbers = self._headings([str(place + 1) for place in places])
        blocks = self._blocks(numbers, places, width)
        if len(blocks) == len(places) > 1 and all(_room(self._least(headings, block), width) >= 0 for block in blocks):
            numbers = headings  # each stands alone, and has room for its name
        else:
            yield from (Text(f"{number}: {one}") for number, one in enumerate(self._names, start=1))
        yield from (self._drawn(numbers, block, width) for block in blocks)

    def _blocks(self, headings: Sequence[Text], places: Sequence[int], width: int) -> list[list[int]]:
        """The places of columns, as many beside each other as fit."""
        blocks: list[list[int]] = [[]]
        for place in places:
            if blocks[-1] and _room(self._least(headings, [*blocks[-1], place]), width) < 0:
                blocks.append([])
            blocks[-1].append(place)
        return blocks

    def _headings(self, names: Sequence[str]) -> list[Text]:
        notes = self._notes
        return [_text(one if notes is None else (one, notes[place])) for place, one in enumerate(names)]

    def _natural(self, headings: Sequence[Text], places: Sequence[int]) -> list[int]:
        rows = max((_natural(row) for row, _, _ in self._rows), default=0)
        held = [[headings[place], *(cells[place] for _, cells, _ in self._rows)] for place in places]
        return [rows, *(max(map(_natural, cells)) for cells in held)]

    def _least(self, headings: Sequence[Text], places: Sequence[int]) -> list[int]:
        rows, *others = self._natural(headings, places)
        return [min(rows, _LEAST_FOLDED), *others]

    def _drawn(self, headings: Sequence[Text], places: Sequence[int], width: int) -> Table:
        least = self._least(headings, places)
        if _room(least, width) < 0:  # one column, wider than the terminal: its cells are folded
            least = [min(one, max(width // 2 - _BETWEEN, 1)) for one in least]
        widths = _widths(least, self._natural(headings, places), width)
        table = _table()
        table.add_column("", width=widths[0], overflow="fold")
        for place, one in zip(places, widths[1:], strict=True):
            table.add_column(headings[place], justify="right", width=one, overflow="fold")
        for row, cells, style in self._rows:
            table.add_row(row, *(cells[place] for place in places), style=style or None)
        return table


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """What is known of one thing: a name and a value a line."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for what, value in rows:
        table.add_row(_text(what), _text(value))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _text(cell: Cell) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text("\n".join(map(shown, (cell,) if isinstance(cell, str) else cell)))


def _room(widths: Sequence[int], width: int) -> int:
    """What a table of these columns leaves of a width; below 0 where it does not fit."""
    return width - sum(widths) - _BETWEEN * len(widths)


def _widths(least: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Of columns, between the least and the natural ones: what room there is goes to them from the left."""
    found, room = list(least), max(_room(least, width), 0)
    for place, wanted in enumerate(natural):
        more = min(room, max(wanted - found[place], 0))
        found[place] += more
        room -= more
    return found

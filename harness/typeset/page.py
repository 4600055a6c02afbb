"""Parts of an HTML page: tables that can be sorted and read aloud, figures with a text beside them."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from seatrial.harness.typeset.drawings import COLOURS

# More rows than that are folded away.
FOLDED_ROWS = 24
# Signs of a heading that is not broken: "top-1" is one word.
_SHORT = 8
_EMPTY = ("", "-")


@dataclasses.dataclass(frozen=True)
class Heading:
    """Of a column. figures: they stand on the right. group: what neighbours share, written above them once."""

    text: str | Markup
    figures: bool = True
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """order: what it is sorted by, where its text would not do. look: class names."""

    text: str | Markup
    order: float | str | None = None
    look: str = ""


Row = Sequence[Cell | str | Markup]


@dataclasses.dataclass(frozen=True)
class Table:
    """caption: what it shows. rows: a cell for each heading; the first heads its row. sortable: the page's script may
    put the rows in another order, and choose among them.
    """

    caption: str
    headings: Sequence[Heading]
    rows: Sequence[Row]
    sortable: bool = True
    folded: bool | None = None

    def __html__(self) -> str:
        """Without the columns that say nothing in any row; nothing without rows."""
        rows = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]
        kept = [
            index
            for index in range(len(self.headings))
            if index == 0 or any(str(row[index].text).strip() not in _EMPTY for row in rows)
        ]
        if not rows or len(kept) < 2:
            return ""
        headings = [self.headings[index] for index in kept]
        name = _identifier(self.caption, *(str(one.text) + one.group for one in headings))
        body = Markup("\n").join(_row([row[index] for index in kept], headings) for row in rows)
        table = Markup(
            '<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}">'
            '<table{sort}><caption id="{name}"><span>{caption}</span></caption>'
            "<thead>{head}</thead>\n<tbody>{body}</tbody></table></div>"
        ).format(
            name=name,
            sort=Markup(" data-sort") if self.sortable and len(rows) > 1 else "",
            caption=self.caption,
            head=_head(headings),
            body=body,
        )
        folded = len(rows) > FOLDED_ROWS if self.folded is None else self.folded
        return folded_away(f"{self.caption}: {len(rows)} rows", table) if folded else table


def folded_away(summary: str, content: Markup) -> Markup:
    """What a click, or Enter, opens."""
    return Markup("<details><summary>{}</summary>\n{}\n</details>").format(summary, content)


def _head(headings: Sequence[Heading]) -> Markup:
    lowest = Markup("<tr>{}</tr>").format(
        Markup().join(
            Markup('<th scope="col"{}>{}</th>').format(_heading_look(one, first=index == 0), one.text)
            for index, one in enumerate(headings)
        )
    )
    if not any(one.group for one in headings):
        return lowest
    groups: list[tuple[str, int]] = []
    for one in headings:
        if groups and groups[-1][0] == one.group:
            groups[-1] = (one.group, groups[-1][1] + 1)
        else:
            groups.append((one.group, 1))
    above = Markup().join(
        Markup('<th scope="colgroup" colspan="{}">{}</th>').format(count, group)
        if group
        else Markup('<td colspan="{}"></td>').format(count)
        for group, count in groups
    )
    return Markup('<tr class="groups">{}</tr>{}').format(above, lowest)


def _heading_look(one: Heading, *, first: bool) -> Markup:
    looks = ["left"] if first or not one.figures else []
    looks += ["short"] if len(one.text) <= _SHORT else []
    return Markup(' class="{}"').format(" ".join(looks)) if looks else Markup()


def _row(cells: Sequence[Cell], headings: Sequence[Heading]) -> Markup:
    found = Markup()
    for index, (cell, heading) in enumerate(zip(cells, headings, strict=True)):
        looks = " ".join(filter(None, ["" if heading.figures and index else "left", cell.look]))
        found += Markup("<{}{}{}>{}</{}>").format(
            Markup('th scope="row"') if index == 0 else "td",
            Markup(' class="{}"').format(looks) if looks else "",
            "" if cell.order is None else Markup(' data-order="{}"').format(cell.order),
            cell.text,
            "td" if index else "th",
        )
    return Markup("<tr>{}</tr>").format(found)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """svg: as of `drawings`. title: what it is. says: what it shows, for those who do not see it."""

    svg: Markup
    title: str
    says: str = ""

    def __html__(self) -> str:
        """The SVG element with its role, its title and its description; without what only matplotlib needs."""
        name = _identifier(self.title, str(self.svg))
        opened = self.svg.index(">")
        box = re.search(r'viewBox="[\d. -]+"', self.svg[:opened])
        assert box is not None, "matplotlib gives every SVG its box"
        return Markup(
            '<svg role="img" {box} aria-labelledby="{name} {name}d"><title id="{name}">{title}</title>'
            '<desc id="{name}d">{says}</desc>{drawn}'
        ).format(
            name=name,
            box=Markup(box[0]),  # noqa: S704  (numbers alone)
            title=self.title,
            says=self.says,
            drawn=Markup(_compact(self.svg[opened + 1 :], name)),  # noqa: S704  (as escaped as before)
        )


def figure(drawings: Sequence[Drawing], caption: str, legend: Sequence[str] = ()) -> Markup:
    """Drawings side by side where the page is wide, below each other where it is narrow, under the names of the lines
    in the order of `line_style`.
    """
    samples = Markup().join(
        Markup("<li>{}<span>{}</span></li>").format(_sample(index), name) for index, name in enumerate(legend)
    )
    if len(drawings) > 1:
        panels = Markup('<div class="panels">{}</div>').format(Markup().join(drawings))
    else:  # it may be wider than a phone, so it scrolls, by the keyboard, too
        panels = Markup('<div class="panels single" role="group" tabindex="0" aria-label="{}">{}</div>').format(
            drawings[0].title, drawings[0]
        )
    return Markup("<figure>{}{}<figcaption>{}</figcaption></figure>").format(
        Markup('<ul class="legend">{}</ul>').format(samples) if legend else "", panels, caption
    )


_SHAPES = (
    "M14 2.5a3.5 3.5 0 1 0 .01 0z",
    "M10.5 2.5h7v7h-7z",
    "M14 2l4 7.5h-8z",
    "M14 1.5l4.5 4.5-4.5 4.5-4.5-4.5z",
    "M14 10l4-7.5h-8z",
    "M12.5 2h3v2.500h2.500v3h-2.500v2.500h-3v-2.500h-2.500v-3h2.500z",
)


# As `drawings.line_style` has them, for so wide a sample.
_DASHES = (("none", "5 3"), ("2 2", "9 3 2 3"))


def _sample(index: int) -> Markup:
    """How the line of a target looks."""
    colour = COLOURS[index % 6]
    return Markup(
        '<svg class="sample" viewBox="0 0 28 12" aria-hidden="true"><path d="M0 6H28" style="stroke: {0}; '
        'stroke-width: 2; stroke-dasharray: {1}"></path><path d="{2}" style="fill: {0}"></path></svg>'
    ).format(colour, _DASHES[index // 6 % 2][index % 2], _SHAPES[index % 6])


_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_SPACE = re.compile(r"\s*\n\s*")
_BETWEEN = re.compile(r">\s+<")
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_GROUP = re.compile(r'(<g) id="[^"]*"')
_UPRIGHT = re.compile(r' transform="rotate\(-0 [^)]*\)"')
_NAMED = re.compile(r'( id="|href="#|url\(#)([mp][0-9a-f]{10})')
_DIGITS = re.compile(r"(\d+\.\d\d)\d+")


def _compact(svg: str, name: str) -> str:
    """Without metadata, comments and ids that nothing points to; the others are of this drawing alone."""

    def tag(found: re.Match[str]) -> str:
        text = _UPRIGHT.sub("", _GROUP.sub(r"\1", _SPACE.sub(" ", found[0])))
        text = _DIGITS.sub(r"\1", text.replace("xlink:href", "href"))
        return _NAMED.sub(rf"\1{name}\2", text)

    return _BETWEEN.sub("><", _TAG.sub(tag, _DROPPED.sub("", svg)))


def _identifier(*parts: str) -> str:
    """The same for the same content."""
    return "i" + hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:8]


def paragraph(text: str | Markup, look: str = "") -> Markup:
    """A paragraph; look: class names."""
    return Markup("<p{}>{}</p>").format(Markup(' class="{}"').format(look) if look else "", text)


def note(text: str | Markup) -> Markup:
    """A paragraph that explains what stands above it."""
    return paragraph(text, "muted")


def listed(items: Sequence[str | Markup], look: str = "") -> Markup:
    """A list; nothing without items."""
    if not items:
        return Markup()
    inner = Markup().join(Markup("<li>{}</li>").format(item) for item in items)
    return Markup("<ul{}>{}</ul>").format(Markup(' class="{}"').format(look) if look else "", inner)


def code(text: str) -> Markup:
    """A line to paste."""
    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(escape(text))

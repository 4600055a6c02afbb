"""Markdown in which whatever comes from outside is text: no link, image, element, table, heading or mention of its own.

GitHub and GitLab look for mentions and references in the text that is left after rendering, where no backslash helps:
there a word joiner (U+2060), which nobody sees, parts what they look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seatrial.text import shown

_JOINER = "\u2060"
# What Markdown gives a meaning within a line.
_SIGNS = re.compile(r"([\\`*_{}\[<|#!~$^&])")
# What it gives a meaning at the beginning of one.
_FIRST = re.compile(r"^(>|[-+](?=\s|$)|[-=:](?=[-=:\s]|$)|\d+(?=[.)](?:\s|$)))")
_BREAKS = (
    # @user, an address of mail, and #1, !1, %1, ~label, &1, $1 as GitHub and GitLab have them.
    re.compile(r"(?<![A-Za-z0-9_])([@])(?=\S)"),
    re.compile(r"([@])(?=\S*\.\S)"),
    re.compile(r"([#!~%$&^])(?=[\w\"'\[])"),
    re.compile(r"\b(GH-)(?=\d)", re.IGNORECASE),
    # Addresses of the web, and :emoji:.
    re.compile(r"(:)(?=//|[A-Za-z+-][\w+-]*:)"),
    re.compile(r"\b(www)(?=\.)", re.IGNORECASE),
    # A number of a commit.
    re.compile(r"\b(?=\d*[a-f])(?=[a-f]*\d)([0-9a-f]{6})(?=[0-9a-f]+\b)"),
)


def text(words: str) -> str:
    """As it is read, within a paragraph, an item of a list or a cell of a table."""
    plain = shown(words).strip()
    for pattern in _BREAKS:
        plain = pattern.sub(rf"\1{_JOINER}", plain)
    first = _FIRST.match(plain)
    escaped = _SIGNS.sub(r"\\\1", plain)
    if first is None:
        return escaped
    # Of a number, the sign behind it makes the list.
    mark = first.group(1)
    return f"\\{escaped}" if not mark.isdigit() else f"{mark}\\{escaped[len(mark) :]}"


def code(words: str) -> str:
    """A name, sign by sign; in a cell of a table, too."""
    plain = shown(words) or " "
    if "|" in plain:  # inside code, no two renderers agree on what parts the cells of a table
        return text(plain)
    fence = "`" * (_longest_run(plain) + 1)
    pad = " " if plain.startswith(("`", " ")) or plain.endswith(("`", " ")) else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def block(lines: str) -> str:
    """Lines for a shell, to copy."""
    plain = "\n".join(map(shown, lines.split("\n")))
    fence = "`" * max(3, _longest_run(plain) + 1)
    return f"{fence}sh\n{plain}\n{fence}"


def items(lines: Iterable[str]) -> str:
    """A list of what is Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Cells are Markdown already. left: as many columns are text, the others figures."""
    rules = ["---" if place < left else "---:" for place in range(len(headings))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rules, *rows))


def _longest_run(plain: str) -> int:
    return max(map(len, re.findall("`+", plain)), default=0)

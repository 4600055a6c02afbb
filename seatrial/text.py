"""Words from outside, made text that can be shown: names in models, archives and folders, and what processes say."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 200  # what is longer is no name that somebody mistyped


def shown(text: str) -> str:
    """One line in which every sign can be seen: blanks for line breaks and tabs, ? for what commands a terminal, or
    turns the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign in "\n\r\t" else "?" for sign in text)


def bytes_words(count: int) -> str:
    """A size for people, of which no digits are lost that tell it from another: `812 bytes`, `3.41 MiB`."""
    size, units = float(count), ("KiB", "MiB", "GiB", "TiB")
    if size < 1024:
        return f"{count} bytes"
    for unit in units:
        size /= 1024
        if size < 1024 or unit == units[-1]:
            break
    return f"{size:.2f} {unit}" if size < 100 else f"{size:.0f} {unit}"


def meant(name: object, known: Iterable[str]) -> str:
    """` Did you mean 'X'?` for the known name that comes closest to a wrong one; empty where none comes close."""
    word = str(name)
    if len(word) > _LONGEST:
        return ""
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


def choices(name: object, known: Iterable[str]) -> str:
    """What to say after a name that is unknown: the one that comes close, and all that are known."""
    names = list(known)
    return f"{meant(name, names)} Known: {', '.join(names)}.".lstrip()


def printable(text: str) -> str:
    """The same for several lines."""
    return "\n".join(map(shown, text.split("\n")))

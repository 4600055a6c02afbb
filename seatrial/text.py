"""Words from outside, made text that can be shown: names in models, archives and folders, and what processes say."""

from __future__ import annotations


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


def printable(text: str) -> str:
    """The same for several lines."""
    return "\n".join(map(shown, text.split("\n")))

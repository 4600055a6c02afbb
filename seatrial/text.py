"""Words from outside, made text that can be shown: names in models, archives and folders, and what processes say."""

from __future__ import annotations


def shown(text: str) -> str:
    """One line in which every sign can be seen: blanks for line breaks and tabs, ? for what commands a terminal, or
    turns the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign in "\n\r\t" else "?" for sign in text)


def printable(text: str) -> str:
    """The same for several lines."""
    return "\n".join(map(shown, text.split("\n")))

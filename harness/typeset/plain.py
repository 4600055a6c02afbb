"""Text from outside without the signs that nobody sees, and that change what others look like."""

from __future__ import annotations

import copy
import unicodedata
from typing import Any

# Controls, formats (among them those that turn the direction of reading), halves of pairs, line and paragraph ends.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Emoji are joined by it, and it changes no direction.
_KEPT = "\n\t\u200d"


def visible(text: str) -> str:
    r"""Each unseen sign is spelled, as in "\x1b" and "\u202e".

    >>> visible("a\u202eb")
    'a\\u202eb'
    """
    if text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode() if sign not in _KEPT and unicodedata.category(sign) in _UNSEEN else sign
        for sign in text
    )


def all_visible(value: Any) -> Any:
    """The same JSON value with every text in it, keys too, made `visible`; a dict that tells what it lacks (`Stored`)
    goes on telling.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        found = copy.copy(value)
        found.clear()
        found.update({visible(name): all_visible(one) for name, one in value.items()})
        return found
    if isinstance(value, list | tuple):
        return [all_visible(one) for one in value]
    return value

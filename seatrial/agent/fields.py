"""What the host says in JSON, taken out and checked: a field that is missing or of another kind is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seatrial.agent.refusals import BAD_ASK, RefusedError

Fields = Mapping[str, Any]


def whole(fields: Fields, name: str, least: int, most: int) -> int:
    """An integer within bounds."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RefusedError(BAD_ASK, f"{name} is {value!r:.80}; it must be an integer from {least} to {most}.")
    return value


def seconds(fields: Fields, name: str, least: float = 0.0) -> float:
    """A finite number, not below `least`."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise RefusedError(BAD_ASK, f"{name} is {value!r:.80}; it must be a number of {least:g} or more.")
    return float(value)


def text(fields: Fields, name: str, most: int = 4096) -> str:
    """A text without NUL, of so many characters at most."""
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise RefusedError(BAD_ASK, f"{name} is {value!r:.80}; it must be a text of {most} characters at most.")
    return value

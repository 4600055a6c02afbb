"""In what two descriptions differ."""

from __future__ import annotations

from typing import Any


def differences(stored: Any, asked: Any, path: str = "") -> list[str]:
    """Paths of the JSON values that are not the same, sorted.

    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 0})
    ['a.c', 'd']
    """
    if isinstance(stored, dict) and isinstance(asked, dict):
        keys = sorted({*stored, *asked})
        return [
            difference
            for key in keys
            for difference in differences(stored.get(key), asked.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if stored == asked else [path or "everything"]

"""How shares of the arithmetic are spelled."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5


def spelled(share: float) -> str:
    """0.9173 -> "91.7%". Only all of it is "100.0%"."""
    return "99.9%" if 0.999 < share < 1 else f"{share:.1%}"


def named(kernels: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    rest = len(kernels) - _NAMED
    return f"{', '.join(kernels[:_NAMED])}{f' and {rest} more' if rest > 0 else ''}"

"""A lower precision that is slower than the reference, and the layers that went back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.results.shares import spelled

Values = Mapping[str, Any]

_NAMED = 3


def is_slower(speedup: Values | None) -> bool:
    """Beyond doubt: all of the interval lies below 1."""
    return speedup is not None and speedup["ci95"][1] < 1


def slower(precision: str, reference: str, speedup: Values, fallback: Values | None) -> str:
    """A sentence without its end. precision: the target's; reference: the reference's, as in "fp32". fallback: as of
    `describe_fallback`, None where all layers run as requested.

    >>> slower("int8", "fp32", {"ratio": 0.8, "ci95": [0.75, 0.85]}, None)
    'int8 is slower than fp32, 1.25 times (1.18 to 1.33), though no layer fell back'
    """
    low, high = speedup["ci95"]
    says = f"{precision} is slower than {reference}, {1 / speedup['ratio']:.2f} times ({1 / high:.2f} to {1 / low:.2f})"
    if fallback is None:
        return f"{says}, though no layer fell back"
    layers = fallback["layers"]
    named = [f"{one['node'] or one['name']} ({one['op']}, {one['realized']})" for one in layers[:_NAMED]]
    rest = len(layers) - len(named)
    many = f"{len(layers)} layers fell back" if len(layers) > 1 else "1 layer fell back"
    return f"{says}: {many}, {spelled(fallback['share'])} of the arithmetic: {', '.join(named)}" + (
        f" and {rest} more" if rest > 0 else ""
    )

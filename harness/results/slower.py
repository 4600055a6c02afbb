"""Against what a speed is told; a lower precision that is slower, and the layers that went back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.harness.records.timing import board_of
from seatrial.harness.results.shares import spelled
from seatrial.harness.spec.targets import REFERENCE

Values = Mapping[str, Any]

_NAMED = 3


def measured_against(speedup: Values) -> str:
    """What a speed-up is against, in words. One that names nothing is of a run that knew one machine.

    >>> measured_against({}), measured_against({"against": "onnxruntime/fp32@pi5/cpu"})
    ('fp32', 'fp32 on pi5')
    >>> measured_against({"against": "tensorrt/fp32@jetson/cuda:0"})
    'tensorrt/fp32@jetson/cuda:0'
    """
    name = str(speedup.get("against") or REFERENCE.id)
    board = board_of(name)
    if name != dataclasses.replace(REFERENCE, board=board).id:
        return name
    return REFERENCE.precision if board is None else f"{REFERENCE.precision} on {board}"


def is_slower(speedup: Values | None) -> bool:
    """Beyond doubt: all of the interval lies below 1."""
    return speedup is not None and speedup["ci95"][1] < 1


def slower(precision: str, speedup: Values, fallback: Values | None) -> str:
    """A sentence without its end. precision: the target's. fallback: as of `describe_fallback`, None where all layers
    run as requested.

    >>> slower("int8", {"ratio": 0.8, "ci95": [0.75, 0.85]}, None)
    'int8 is slower than fp32, 1.25 times (1.18 to 1.33), though no layer fell back'
    """
    low, high = speedup["ci95"]
    times = f"{1 / speedup['ratio']:.2f} times ({1 / high:.2f} to {1 / low:.2f})"
    says = f"{precision} is slower than {measured_against(speedup)}, {times}"
    if fallback is None:
        return f"{says}, though no layer fell back"
    layers = fallback["layers"]
    named = [f"{one['node'] or one['name']} ({one['op']}, {one['realized']})" for one in layers[:_NAMED]]
    rest = len(layers) - len(named)
    many = f"{len(layers)} layers fell back" if len(layers) > 1 else "1 layer fell back"
    return f"{says}: {many}, {spelled(fallback['share'])} of the arithmetic: {', '.join(named)}" + (
        f" and {rest} more" if rest > 0 else ""
    )

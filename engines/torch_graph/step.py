"""A node that is computed for every batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.engines.torch_graph.node import Compute, Tensor


@dataclasses.dataclass(frozen=True)
class Step:
    """A node that is computed for every batch. `last`: values that nobody needs after it."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: Compute
    host: tuple[int, ...]
    attributes: Mapping[str, Any]
    last: tuple[str, ...]


Observer = Callable[[Step, Sequence[Tensor | None], Sequence[Tensor]], None]


def with_last_use(steps: Sequence[Step], output_name: str) -> list[Step]:
    """The steps, each with the values that nobody needs after it."""
    needed = {output_name}
    plan = []
    for step in reversed(steps):
        named = {name for name in (*step.inputs, *step.outputs) if name}
        plan.append(dataclasses.replace(step, last=tuple(sorted(named - needed))))
        needed |= named
    return plan[::-1]

"""From an audit and the file that was built to a reason for each layer that fell back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.calib.warn import kept_float_of
from seatrial.engines import ENGINES
from seatrial.engines.audit import UNKNOWN, Audit, Layer
from seatrial.engines.device import device_kind
from seatrial.exporters import DeployableModel
from seatrial.harness.results.fallback.facts import FileFacts
from seatrial.harness.results.fallback.rules import UNEXPLAINED, Case, rules_for

_SERVED = "a server does not tell what it executes"
_UNCOUNTED = "nobody knows how much this operator multiplies: counted at the most that it can, or as a half of all"


@dataclasses.dataclass(frozen=True)
class Where:
    """What a file was built by, and for. x86: of the processor there."""

    engine: str
    device: str
    x86: bool


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why a layer fell back. node: that of the file that multiplies there, by the name that --keep-float takes; None
    where none bears the layer's name.
    """

    node: str | None
    reason: str


def explain(audit: Audit, model: DeployableModel, where: Where, options: Mapping[str, Any]) -> list[Explanation | None]:
    """For each layer of the audit why it does not run as requested; None where it does.

    model: the file that the engine was built from. options: what `Engine.describe` says of it. A reason names a fact
    that stands in the file, the audit or the options; without one it is UNEXPLAINED.
    """
    facts = FileFacts(model.proto)
    kept = kept_float_of(model)

    def explanation(layer: Layer) -> Explanation | None:
        if layer.realized == layer.requested:
            return None
        node = facts.node(layer.name)
        name = node.name if node is not None and node.name else None
        if layer.guessed:
            return Explanation(name, _UNCOUNTED)
        if layer.realized == UNKNOWN:
            served = ENGINES[where.engine].served
            return Explanation(name, _SERVED if served else "the runtime does not show where this work runs")
        if node is None:
            return Explanation(None, UNEXPLAINED)
        case = Case(layer, node, facts, where.engine, kept, options, where.x86)
        found = (rule(case) for rule in rules_for(layer.requested, where.engine, device_kind(where.device)))
        return Explanation(name, next((text for text in found if text is not None), UNEXPLAINED))

    return [explanation(layer) for layer in audit.layers]

"""From an audit and the file that was built to a reason for each layer that fell back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.warn import kept_float_of
from engines.audit import Audit, Layer
from engines.cpu import is_x86
from engines.device import device_kind
from exporters import DeployableModel
from harness.results.fallback.facts import FileFacts
from harness.results.fallback.rules import UNEXPLAINED, Case, rules_for

_NOT_SHOWN = "unknown"


def explain(
    audit: Audit, model: DeployableModel, *, engine: str, device: str, options: Mapping[str, Any]
) -> list[str | None]:
    """For each layer of the audit why it does not run as requested; None where it does.

    model: the file that the engine was built from. options: what `Engine.describe` says of it. A reason names a fact
    that stands in the file, the audit or the options; without one it is UNEXPLAINED.
    """
    facts = FileFacts(model.proto)
    kept = kept_float_of(model)

    def reason(layer: Layer) -> str | None:
        if layer.realized == layer.requested:
            return None
        if layer.realized == _NOT_SHOWN:
            return "the runtime does not show where this work runs"
        node = facts.node(layer.name)
        if node is None:
            return UNEXPLAINED
        case = Case(layer, node, facts, engine, kept, options, is_x86())
        found = (rule(case) for rule in rules_for(layer.requested, engine, device_kind(device)))
        return next((text for text in found if text is not None), UNEXPLAINED)

    return [reason(layer) for layer in audit.layers]

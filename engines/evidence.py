"""What an engine's process tells of what was built, and the audit that is judged from it on the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.audit import Audit, Layer

# JSON values, and what are bytes: uint8 arrays.
Evidence = tuple[dict[str, Any], list[npt.NDArray[np.uint8]]]
# Asks an engine for the part of that name. Whoever judges asks for what is needed, and trusts none of it.
Ask = Callable[[str], Evidence]
# The part that is an audit already, of an engine that reads it where it runs.
AUDIT = "audit"


def told(audit: Audit) -> Evidence:
    """An audit as evidence."""
    return {"layers": [dataclasses.asdict(layer) for layer in audit.layers], "other_ops": audit.other_ops}, []


def audit_of(evidence: Evidence) -> Audit:
    """What `told` took apart; KeyError, TypeError, AttributeError, ValueError or OverflowError for what is none."""
    fields, _ = evidence
    others = {str(name): int(count) for name, count in fields["other_ops"].items()}
    return Audit(tuple(_layer(layer) for layer in fields["layers"]), others)


def _layer(fields: dict[str, Any]) -> Layer:
    name, op, requested, realized = (str(fields[key]) for key in ("name", "op", "requested", "realized"))
    return Layer(name, op, int(fields["macs"]), requested, realized, bool(fields["guessed"]))

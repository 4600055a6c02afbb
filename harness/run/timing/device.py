"""The parts of an inference by the device's own clock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seatrial.errors import DeviceError, EngineDiedError, UnsupportedError
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.ready import STAGE, Ready


def device_phases(session: Session, ready: Mapping[str, Ready], queries: int) -> dict[str, dict[str, float]]:
    """Build id -> medians in milliseconds over so many queries: h2d_ms, compute_ms, d2h_ms. Missing where no device's
    clock tells; where it should and does not, that is told, and nothing else is lost.
    """
    found: dict[str, dict[str, float]] = {}
    for name, one in ready.items():
        if session.lost(name):
            continue
        with session.noting(name, STAGE):
            try:
                phases = _phases(one, queries)
            except EngineDiedError:
                raise
            except (DeviceError, UnsupportedError) as error:
                session.progress.tell(f"{name}: the device's own clock does not tell: {error}")
                continue
            if phases:
                found[name] = phases
    return found


def _phases(ready: Ready, queries: int) -> dict[str, float]:
    found: list[dict[str, float]] = []
    for index in range(queries):
        parts = ready.engine.phases(index)
        if not parts or (found and parts.keys() != found[0].keys()):
            return {}
        found.append(parts)
    return {f"{name}_ms": float(np.median([parts[name] for parts in found])) for name in found[0]}

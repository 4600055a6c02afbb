"""Where a built engine and the reference part: layer by layer, and which layers add the error."""

from __future__ import annotations

from seatrial.harness.diff.differ import diff
from seatrial.harness.diff.result import DiffResult
from seatrial.harness.spec.diff import DEFAULT_LIMIT, DiffSpec

__all__ = ["DEFAULT_LIMIT", "DiffResult", "DiffSpec", "diff"]

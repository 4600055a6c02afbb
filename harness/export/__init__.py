"""One deployable file from any source, and the proof that it answers like its source."""

from __future__ import annotations

from seatrial.harness.export.export import export
from seatrial.harness.export.verify import Verification
from seatrial.harness.spec.export import ExportSpec

__all__ = ["ExportSpec", "Verification", "export"]

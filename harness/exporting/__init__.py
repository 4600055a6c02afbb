"""One deployable file from any source, and the proof that it answers like its source."""

from __future__ import annotations

from harness.exporting.export import ExportSpec, export
from harness.exporting.verify import Verification

__all__ = ["ExportSpec", "Verification", "export"]

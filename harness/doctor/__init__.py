"""What this machine has: engines, precisions, devices, packages; what is missing, and what installs it."""

from __future__ import annotations

from seatrial.harness.doctor.examine import examine

__all__ = ["examine"]

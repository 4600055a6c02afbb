"""Does a built engine compute what its quantized file says? Looked at on a few images, before anything is measured."""

from __future__ import annotations

from seatrial.harness.guard.keep import Guarded, guarded
from seatrial.harness.guard.look import Guard
from seatrial.harness.guard.sample import IMAGES, Sample, sample_for, sample_of
from seatrial.harness.guard.verdict import Verdict

__all__ = ["IMAGES", "Guard", "Guarded", "Sample", "Verdict", "guarded", "sample_for", "sample_of"]

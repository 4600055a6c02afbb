"""What `bench.py doctor` finds once everything is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gpukit.environment import said_by
from gpukit.paths import ROOT
from gpukit.results import FAILED, PASSED, Result


def do(work: Path, name: str) -> Result:
    """Passes where it answers; what is usable, as ENGINE on DEVICES."""
    said = said_by((sys.executable, str(ROOT / "bench.py"), "doctor", "--json"), limit_s=240)
    (work / "environment").mkdir(exist_ok=True)
    (work / "environment/doctor.json").write_text(said, encoding="utf-8")
    try:
        found = json.loads(said)["engines"]
    except (ValueError, KeyError):
        return Result(FAILED, f"it gave no JSON: {said[-300:]}")
    usable = [f"{one['name']} {one['version'] or ''} on {', '.join(one['devices'])}" for one in found if one["usable"]]
    return Result(PASSED, "; ".join(usable))

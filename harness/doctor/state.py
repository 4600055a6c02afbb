"""How the machine is now, and what energy can be read: asked in a process of its own (`harness.doctor.child`)."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from seatrial.engines.machine.meters import find_meters
from seatrial.engines.machine.nvml import open_nvml
from seatrial.engines.machine.reading import Watch
from seatrial.engines.machine.system import System


def main() -> None:
    """Writes JSON to standard output, one object a line, each as soon as it is known: `gpus`, as NVML names them;
    `reading`, as `engines.machine.reading` has it; `meters` (name, says) and `refused`; `done`.
    """
    nvml = open_nvml()
    _say({"gpus": [] if nvml is None else nvml.gpus()})
    # The doctor's other children are at work: they are not others.
    _say({"reading": Watch(run_by=os.getppid()).reading()})
    meters = find_meters(System())
    _say({"meters": [{"name": one.name, "says": one.says} for one in meters.found], "refused": [*meters.refused]})
    _say({"done": True})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()

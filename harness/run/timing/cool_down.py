"""Waiting until the machine is as cool, or as steady, as asked: --cool-down."""

from __future__ import annotations

from typing import Any

from seatrial.engines.machine import Waited, wait_for_celsius, wait_for_steady, warmest
from seatrial.engines.places import PlacedEngine
from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.spec.timing import STEADY, TimingOptions, degrees


class CoolDown:
    """waited: what was waited for so far, JSON values: `before` (a round or a target), and as of `Waited`."""

    def __init__(self, options: TimingOptions, machine: Machine) -> None:
        self._options, self._machine = options, machine
        self.waited: list[dict[str, Any]] = []

    def wait(self, before: str, engine: PlacedEngine) -> Waited | None:
        """Returns how it went; None where nothing is asked. engine: of the machine that is waited for."""
        asked = self._options.cool_down
        if asked is None:
            return None
        if asked == STEADY:
            found = wait_for_steady(lambda: float(engine.probe()), limit_s=self._options.cool_down_s)
        else:
            found = wait_for_celsius(
                lambda: warmest(self._machine.read() or {}), degrees(asked), limit_s=self._options.cool_down_s
            )
        self.waited.append({"before": before, **found.to_dict()})
        return found

"""What the files of targets are made from: the part that runs, builds and quantizations share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from seatrial.bounds import LONGEST_S, seeds
from seatrial.calib.options import QuantizeOptions
from seatrial.engines.boards import Board
from seatrial.errors import UsageError
from seatrial.harness.spec.calibration import CalibrationSource
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.work import WorkOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilesSpec:
    """source: the model. calibration: images to quantize on; quantization: how. seed: of orders, noise, bootstrap.
    boards: by name, as they are described; another one is its ssh alias. wait_s: how long a board is waited for that
    another run holds, None for ever. Both shape no answer.
    """

    source: ModelSource = dataclasses.field(default_factory=ModelSource)
    calibration: CalibrationSource = dataclasses.field(default_factory=CalibrationSource)
    quantization: QuantizeOptions = dataclasses.field(default_factory=QuantizeOptions)
    seed: int = 0
    work: WorkOptions = dataclasses.field(default_factory=WorkOptions)
    boards: Mapping[str, Board] = dataclasses.field(default_factory=dict)
    wait_s: float | None = 0.0

    def __post_init__(self) -> None:
        """UsageError for a seed, a board's name or a time that none can be."""
        seeds(seed=self.seed)
        for name, board in self.boards.items():
            if board.name != name:
                raise UsageError(f"Board {name} is described as {board.name}.")
        if self.wait_s is not None and not 0 <= self.wait_s <= LONGEST_S:
            raise UsageError(
                f"--wait is {self.wait_s:g}; it is a number of seconds, from 0 to {LONGEST_S:g}, or stands alone."
            )

    @property
    def calib_seed(self) -> int:
        """Of the order of the calibration images, and of what degrades them."""
        return self.seed if self.calibration.seed is None else self.calibration.seed

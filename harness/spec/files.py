"""What the files of targets are made from: the part that runs, builds and quantizations share."""

from __future__ import annotations

import dataclasses

from seatrial.calib.options import QuantizeOptions
from seatrial.harness.spec.calibration import CalibrationSource
from seatrial.harness.spec.checks import seeds
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.work import WorkOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilesSpec:
    """source: the model. calibration: images to quantize on; quantization: how. seed: of orders, noise, bootstrap."""

    source: ModelSource = dataclasses.field(default_factory=ModelSource)
    calibration: CalibrationSource = dataclasses.field(default_factory=CalibrationSource)
    quantization: QuantizeOptions = dataclasses.field(default_factory=QuantizeOptions)
    seed: int = 0
    work: WorkOptions = dataclasses.field(default_factory=WorkOptions)

    def __post_init__(self) -> None:
        """UsageError for a seed that none can be."""
        seeds(seed=self.seed)

    @property
    def calib_seed(self) -> int:
        """Of the order of the calibration images, and of what degrades them."""
        return self.seed if self.calibration.seed is None else self.calibration.seed

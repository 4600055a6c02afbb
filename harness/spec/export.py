"""Which model is to be exported, and how."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.bounds import MOST_BATCH, at_least, seeds
from seatrial.errors import UsageError
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.work import WorkOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSpec:
    """out: the .onnx file to write. images: on which source and export are compared, None for the demo's. batch: a
    number freezes the graph's batch at it, "free" frees it; None leaves an ONNX file's and frees a PyTorch module's.
    simplify: whether the graph is simplified.
    """

    source: ModelSource
    out: Path
    images: ImageSource = dataclasses.field(default_factory=ImageSource)
    seed: int = 0
    batch: int | str | None = None
    simplify: bool = True
    work: WorkOptions = dataclasses.field(default_factory=WorkOptions)

    def __post_init__(self) -> None:
        """UsageError for another kind of file, and a batch or seed that none can be."""
        seeds(seed=self.seed)
        if self.out.suffix.lower() != ".onnx":
            raise UsageError(f"--out {self.out} is no .onnx file.")
        if isinstance(self.batch, str) and self.batch != "free":
            raise UsageError(f"--batch {self.batch!r} is neither a number nor free.")
        at_least(1, MOST_BATCH, batch=self.batch if isinstance(self.batch, int) else None)

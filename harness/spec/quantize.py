"""Which file is to be made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.engines.precision import check_precision
from seatrial.errors import UsageError
from seatrial.harness.spec.files import FilesSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizeSpec(FilesSpec):
    """engine: whose form; it need not be installed, its recipe is data. out: the .onnx file to write. float_view: a
    model that is quantized by itself gives its float32 form to begin with. board: for its processor, and built there;
    None for this machine.
    """

    out: Path
    engine: str = "onnxruntime"
    precision: str = "int8"
    float_view: bool = False
    board: str | None = None

    def __post_init__(self) -> None:
        """UsageError for another kind of file, and an unknown precision."""
        super().__post_init__()
        check_precision(self.precision)
        if self.out.suffix.lower() != ".onnx":
            raise UsageError(f"--out {self.out} is no .onnx file.")

"""Where a model comes from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.exporters.options import ContractOptions
from seatrial.harness.spec.variants import check_variants

DEMO = "demo"


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """model: as `exporters.load` takes it, or DEMO. weights: a state dict for a factory's module. output: which of
    several holds the logits. float_model: the ONNX file that a quantized `model` was made from, None for its own
    de-quantized form. variants: `NAME=FILE` of other files that are tested beside it. contract: overrides of the
    model's input contract. classes: the class file.
    """

    model: str = DEMO
    weights: Path | None = None
    output: str | None = None
    float_model: str | None = None
    contract: ContractOptions = dataclasses.field(default_factory=ContractOptions)
    classes: Path | None = None
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """UsageError for variants without a name of their own."""
        check_variants(self.variants)

"""What a comparison is asked to do."""

from __future__ import annotations

import dataclasses
import math

from seatrial.bounds import at_least
from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, TargetSpec
from seatrial.text import choices

DEFAULT_LIMIT = 8
REMEDY_LIMIT = 1000
VALUES = ("all", "rounded")


@dataclasses.dataclass(frozen=True)
class DiffSpec:
    """One comparison.

    run: the target (its only one), the model, the images and how files are made, as for a run. against: the other
    target; its engine alone counts with `same_file`. None: fp32 on the reference engine, or ONNX Runtime without any
    graph optimisation. same_file: both sides run the target's file.
    threshold_db: below which a value has parted, None for the usual one. top: layers in each table. values: `all` of
    them, or only the `rounded` ones, at the Q/DQ nodes, between which a runtime keeps its fused kernels; None: rounded
    with `same_file`, where kernels are the question, else all. remedy: search for the layers to keep in float, by the
    answers to `remedy_limit` images.
    """

    run: RunSpec
    against: TargetSpec | None = None
    same_file: bool = False
    threshold_db: float | None = None
    top: int = 10
    values: str | None = None
    remedy: bool = False
    remedy_limit: int = REMEDY_LIMIT

    def __post_init__(self) -> None:
        """UsageError for what cannot be meant."""
        if len(self.run.targets.asked) != 1:
            raise UsageError("diff compares one target: give one --engine and one --bits.")
        if self.threshold_db is not None and not math.isfinite(self.threshold_db):
            raise UsageError(f"--threshold-db is {self.threshold_db:g}; it must be a number.")
        if self.values not in (None, *VALUES):
            raise UsageError(f"--values {self.values!r} is unknown. {choices(self.values, VALUES)}")
        at_least(1, top=self.top, remedy_limit=self.remedy_limit)
        float_model = self.run.source.float_model
        if self.remedy and (self.same_file or float_model is not None or not is_quantized(self.target.precision)):
            raise UsageError(
                "--remedy quantizes the model again with layers in float: give the float model as --model, a quantized "
                "precision, and neither --same-file nor --float-model."
            )
        if self.same_file and float_model is not None:
            raise UsageError("--same-file compares one file on two engines; leave out --float-model.")
        if float_model is not None and self.against is not None and is_quantized(self.against.precision):
            raise UsageError("--float-model is compared with in float; leave the precision of --against out.")

    @property
    def target(self) -> TargetSpec:
        """What is looked at."""
        return _canonical(self.run.targets.asked[0])

    @property
    def reference(self) -> TargetSpec:
        """What it is compared with; with `same_file` at the precision of the target."""
        found = REFERENCE if self.against is None else _canonical(self.against)
        return dataclasses.replace(found, precision=self.target.precision) if self.same_file else found


def _canonical(target: TargetSpec) -> TargetSpec:
    return dataclasses.replace(target, engine=ENGINES.canonical(target.engine))

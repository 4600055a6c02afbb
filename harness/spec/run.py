"""What a run is asked to do: plain data, as flags, a YAML file or Python give it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from seatrial.calib.options import QuantizeOptions
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.places import Limits
from seatrial.engines.precision import check_precision
from seatrial.errors import UsageError
from seatrial.exporters.options import ContractOptions
from seatrial.harness.spec.attacks import AttackOptions

DEMO = "demo"
REFERENCE_ENGINE = "onnxruntime"


@dataclasses.dataclass(frozen=True)
class TargetSpec:
    """Engine x precision x device; `id` is its name everywhere."""

    engine: str
    precision: str
    device: str = "cpu"

    def __post_init__(self) -> None:
        """UsageError for an unknown precision."""
        check_precision(self.precision)

    @property
    def id(self) -> str:
        """`ENGINE/PRECISION@DEVICE`."""
        return f"{self.engine}/{self.precision}@{self.device}"


def target_of(target_id: str) -> TargetSpec:
    """The inverse of `TargetSpec.id`; UsageError for anything else."""
    engine, _, rest = target_id.partition("/")
    precision, _, device = rest.partition("@")
    if not engine or not device:
        raise UsageError(f"{target_id!r} is no target's id: they look like onnxruntime/int8@cpu.")
    return TargetSpec(engine, precision, device)


@dataclasses.dataclass(frozen=True)
class Build:
    """One of a target's independent builds, counted from 1."""

    target: TargetSpec
    number: int = 1

    @property
    def id(self) -> str:
        """Its name in files: the target's own for the first, then with `#2`, `#3`, ..."""
        return self.target.id if self.number == 1 else f"{self.target.id}#{self.number}"


def default_workers() -> int:
    """One thread per core."""
    return os.cpu_count() or 1


# The pair of every comparison.
REFERENCE = TargetSpec(REFERENCE_ENGINE, "fp32")


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """One run.

    model: whatever `exporters.load` takes, or "demo". weights: a state dict for it. output: which of several outputs
    holds the logits. data, calib: a class folder tree, an .npz archive or "demo"; None is the demo's for
    the demo. contract: overrides of the model's input contract. classes: the class file. targets: besides the
    reference, which is always added. quantization: how quantized targets are made. calib_condition: what happens to the
    calibration images. conditions: globs over condition ids, instead of the suite's. corruption_scale:
    the size in px whose severity constants are used, None for the images' own. frost_textures: a folder of
    ImageNet-C's frost photographs. limit, calib_limit: the first N images of the seeded order, None for all.
    calib_seed: of the order of the calibration images and of what degrades them, None for `seed`. out: the run
    directory, None for a name made from the spec. threads: of one inference call. builder: of engines that have one.
    rebuilds: how often each target is built, independently; builds vary. limits: of the engines' processes.
    min_realized: share of multiply-accumulates at the requested precision, below which the run fails; None for the
    usual one, which only warns. allow_fallback: lets a smaller share pass. attacks: how adversarial images are made.
    workers, batch_size: how the work is done; they change no result.
    """

    model: str = DEMO
    weights: Path | None = None
    output: str | None = None
    data: str | None = None
    calib: str | None = None
    contract: ContractOptions = dataclasses.field(default_factory=ContractOptions)
    classes: Path | None = None
    targets: tuple[TargetSpec, ...] = (TargetSpec("onnxruntime", "int8"),)
    quantization: QuantizeOptions = dataclasses.field(default_factory=QuantizeOptions)
    calib_condition: str = "clean"
    suite: str = "standard"
    conditions: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    corruption_scale: int | None = None
    frost_textures: Path | None = None
    limit: int | None = None
    calib_limit: int | None = None
    calib_seed: int | None = None
    seed: int = 0
    out: Path | None = None
    threads: int = 1
    optimization: str = "all"
    builder: BuilderOptions = dataclasses.field(default_factory=BuilderOptions)
    rebuilds: int = 1
    limits: Limits = dataclasses.field(default_factory=Limits)
    min_realized: float | None = None
    allow_fallback: bool = False
    attacks: AttackOptions = dataclasses.field(default_factory=AttackOptions)
    workers: int = dataclasses.field(default_factory=default_workers)
    batch_size: int = 32

    def __post_init__(self) -> None:
        """UsageError for a share that none can be."""
        if self.min_realized is not None and not 0 <= self.min_realized <= 1:
            raise UsageError(f"--min-realized is {self.min_realized}; it is a share, from 0 to 1.")

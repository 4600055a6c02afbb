"""What is tested: engines at precisions on devices, and their independent builds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from seatrial.bounds import MOST_THREADS, at_least
from seatrial.engines.precision import check_precision, is_simulated
from seatrial.errors import UsageError
from seatrial.harness.spec.variants import check_variant_name
from seatrial.text import choices

REFERENCE_ENGINE = "onnxruntime"
OPTIMIZATIONS = ("disable", "basic", "extended", "all")
# What a file means is what its nodes say: an optimiser may round a bias that the file leaves float.
AS_WRITTEN = "disable"


@dataclasses.dataclass(frozen=True)
class TargetSpec:
    """Engine x precision x place and device; `id` is its name everywhere. board: None for this machine. variant: the
    name of another file that it runs, None for the model's own.
    """

    engine: str
    precision: str
    device: str = "cpu"
    board: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        """UsageError for an unknown precision, and what is no name of a variant."""
        check_precision(self.precision)
        if self.variant is not None:
            check_variant_name(self.variant)

    @property
    def id(self) -> str:
        """`ENGINE/PRECISION@DEVICE`, on a board `ENGINE/PRECISION@BOARD/DEVICE`; of a variant, `VARIANT:` before it."""
        where = self.device if self.board is None else f"{self.board}/{self.device}"
        whose = "" if self.variant is None else f"{self.variant}:"
        return f"{whose}{self.engine}/{self.precision}@{where}"


def target_of(target_id: str) -> TargetSpec:
    """The inverse of `TargetSpec.id`; UsageError for anything else."""
    head, _, rest = target_id.partition("/")
    variant, _, engine = head.rpartition(":")
    precision, _, where = rest.partition("@")
    board, _, device = where.rpartition("/")
    if not engine or not device:
        raise UsageError(f"{target_id!r} is no target's id: they look like onnxruntime/int8@cpu.")
    return TargetSpec(engine, precision, device, board or None, variant or None)


@dataclasses.dataclass(frozen=True)
class Build:
    """One of a target's independent builds, counted from 1."""

    target: TargetSpec
    number: int = 1

    @property
    def id(self) -> str:
        """Its name in files: the target's own for the first, then with `#2`, `#3`, ..."""
        return self.target.id if self.number == 1 else f"{self.target.id}#{self.number}"


# The pair of every comparison.
REFERENCE = TargetSpec(REFERENCE_ENGINE, "fp32")


def yardstick(target: TargetSpec, among: Sequence[TargetSpec]) -> TargetSpec | None:
    """The fp32 target of the model's own file whose speed a target's is told against: one for each place, the reference
    engine's on the processor there, else the first of `among`. None for itself, and where nothing in
    fp32 runs there: times of two places are not compared.
    """
    found = _yardstick(target.board, among)
    return None if found == target else found


def is_yardstick(target: TargetSpec, among: Sequence[TargetSpec]) -> bool:
    """Whether others at its place are told against it."""
    return _yardstick(target.board, among) == target


def _yardstick(board: str | None, among: Sequence[TargetSpec]) -> TargetSpec | None:
    own_files = [one for one in among if one.variant is None]
    there = [one for one in own_files if one.board == board and one.precision == REFERENCE.precision]
    own = dataclasses.replace(REFERENCE, board=board)
    return own if own in there else next(iter(there), None)


@dataclasses.dataclass(frozen=True)
class Targets:
    """asked: besides the reference, which a run always adds. threads: of one inference call. optimization: the graph
    optimisation level, one of OPTIMIZATIONS; None for `level_of`'s. rebuilds: how often each target is built,
    independently; builds vary.
    """

    asked: tuple[TargetSpec, ...] = (TargetSpec(REFERENCE_ENGINE, "int8"),)
    threads: int = 1
    optimization: str | None = None
    rebuilds: int = 1

    def __post_init__(self) -> None:
        """UsageError for no target, numbers that none can be and an unknown level."""
        if not self.asked:
            raise UsageError("At least one target is needed: give --engine and --bits.")
        if self.optimization is not None and self.optimization not in OPTIMIZATIONS:
            raise UsageError(
                f"--optimization {self.optimization!r} is unknown. {choices(self.optimization, OPTIMIZATIONS)}"
            )
        at_least(1, MOST_THREADS, threads=self.threads)
        at_least(1, rebuilds=self.rebuilds)

    def level(self, precision: str) -> str:
        """The optimisation level of a target of that precision."""
        return self.optimization or level_of(precision)


def level_of(precision: str) -> str:
    """The optimisation level where none is asked for: what ships is optimised, a simulation is what its file says."""
    return AS_WRITTEN if is_simulated(precision) else "all"

"""What a target must reach: the limits of the checks, and what their answers do."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from typing import Literal, get_args

from seatrial.errors import UsageError
from seatrial.text import choices

Binding = Literal["yes", "failures", "no"]


@dataclasses.dataclass(frozen=True)
class Limit:
    """Of one check. value: in the check's own unit (`LIMITS`); None, and it is not asked. binding: `yes`, it must pass;
    `failures`, only its failures count, since nothing could prove it with the usual number of images; `no`, it advises.
    place: of an absolute one (`LimitKind.absolute`): a pattern of the processor, the GPU or the board that it was set
    for; elsewhere it decides nothing.
    """

    value: float | None
    binding: Binding = "yes"
    place: str | None = None

    def __post_init__(self) -> None:
        """UsageError for what none can be."""
        if self.value is not None and not (math.isfinite(self.value) and self.value >= 0):
            raise UsageError(f"A limit is a number, from 0, not {self.value}.")
        if self.binding not in get_args(Binding):
            raise UsageError(f"binding is {self.binding!r}; it is one of {', '.join(get_args(Binding))}.")
        if self.place is not None and not self.place.strip():
            raise UsageError("place is empty: give a pattern of the processor, the GPU or the board.")


@dataclasses.dataclass(frozen=True)
class LimitKind:
    """What there is to limit. default: of the gate `default`. most: the largest value with a meaning. unit, says: for
    people. absolute: it means something on one place alone.
    """

    name: str
    default: Limit
    unit: str
    says: str
    most: float = math.inf
    absolute: bool = False


# docs/gate.md says why, with the operating characteristics.
LIMITS = {
    kind.name: kind
    for kind in (
        LimitKind(
            "recovery", Limit(99.0), "%", "of the reference's top-1 on clean images (MLPerf Inference's limit)", 100
        ),
        LimitKind(
            "corrupted_recovery", Limit(99.0), "%", "of the reference's mean top-1 over the corrupted conditions", 100
        ),
        LimitKind("conditions", Limit(5.0), "points", "that a single condition may lose against the reference", 100),
        LimitKind("classes", Limit(10.0, "failures"), "points", "that a single class may lose", 100),
        LimitKind("negative_flips", Limit(5.0), "%", "of the images: the reference right, the target wrong", 100),
        LimitKind("agreement", Limit(98.0), "%", "of images without labels with the reference's class", 100),
        LimitKind("realized", Limit(90.0), "%", "of the arithmetic at the requested precision", 100),
        LimitKind("reference", Limit(5.0), "%", "of the room above always naming the commonest class", 100),
        LimitKind("gain", Limit(2.0, "failures"), "points", "above the reference, from where on a gain is implausible"),
        LimitKind(
            "contract", Limit(1.0, "failures"), "points", "by which another reading of the images may be better", 100
        ),
        LimitKind("label_order", Limit(1.0, "failures"), "points", "that classes may win by changing places", 100),
        LimitKind(
            "calibration_images",
            Limit(0.5, "failures"),
            "standard deviations",
            "between calibration images and test images, by brightness, contrast and colour",
        ),
        LimitKind("weights", Limit(0.0, "failures"), "places", "in the float model where weights are broken"),
        LimitKind(
            "layers",
            Limit(10.0, "failures"),
            "dB",
            "of signal to noise, which a step of a quantized file must exceed where the others do",
        ),
        LimitKind(
            "pipeline", Limit(5.0, "failures"), "points", "that another decoder or resize may cost the target", 100
        ),
        LimitKind(
            "attack", Limit(5.0, "failures"), "points", "under an attack on its own file, below the reference's", 100
        ),
        LimitKind("masking", Limit(0.0, "no"), "checks", "of masked gradients that may fail"),
        LimitKind("latency_p50", Limit(None), "ms", "of single queries, median", absolute=True),
        LimitKind("latency_p90", Limit(None), "ms", "the same, 90th percentile", absolute=True),
        LimitKind("latency_p99", Limit(None), "ms", "the same, 99th percentile", absolute=True),
        LimitKind("throughput", Limit(None), "images/s", "offline, at least", absolute=True),
        LimitKind(
            "server_rate",
            Limit(None),
            "queries/s",
            "that keep the bound of the scenario server, at least",
            absolute=True,
        ),
        LimitKind("energy", Limit(None), "J", "for each image, by the meter that counts most", absolute=True),
        LimitKind("speed_up", Limit(None), "times", "as fast as fp32 at the same place, at least"),
        LimitKind("size", Limit(None), "MB", "of the engine (1 MB = 1,000,000 bytes)"),
        LimitKind(
            "memory", Limit(None), "MiB", "of the engine's process, at its peak while it is built and first asked"
        ),
        LimitKind("baseline_recovery", Limit(99.0), "%", "of the baseline's top-1 on the same clean images", 100),
        LimitKind("baseline_corrupted", Limit(99.0), "%", "of the baseline's mean top-1 on corrupted images", 100),
        LimitKind("baseline_conditions", Limit(5.0), "points", "that a single condition may lose", 100),
        LimitKind("baseline_classes", Limit(10.0, "failures"), "points", "that a single class may lose", 100),
        LimitKind("baseline_speed_up", Limit(None), "%", "of the baseline's speed-up over fp32, each within its run"),
        LimitKind("baseline_agreement", Limit(98.0), "%", "of images without labels with the baseline's class", 100),
    )
}


@dataclasses.dataclass(frozen=True)
class Asked:
    """A limit that a gate has in place of the default. targets: a pattern of the ids for which it holds."""

    name: str
    limit: Limit
    targets: str = "*"

    def __post_init__(self) -> None:
        """UsageError for a limit of nothing, and for one beyond what can be."""
        if self.name not in LIMITS:
            raise UsageError(f"A gate has no limit {self.name!r}. {choices(self.name, LIMITS)}")
        kind, value = LIMITS[self.name], self.limit.value
        if value is not None and value > kind.most:
            raise UsageError(f"The limit {self.name} is {value:g}; it is at most {kind.most:g} {kind.unit}.")
        if self.limit.place is not None and not kind.absolute:
            absolute = ", ".join(name for name, one in LIMITS.items() if one.absolute)
            raise UsageError(f"The limit {self.name} holds on every place. A place is of {absolute}.")


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """name: `default`, or of the file that the limits came from. limits: what differs from the default; of several for
    a target, the last holds. strict: INCONCLUSIVE fails the command; advisory: nothing does. min_realized: share of
    multiply-accumulates at the requested precision, in place of the gate's; allow_fallback: lets a smaller share pass.
    """

    name: str = "default"
    limits: tuple[Asked, ...] = ()
    strict: bool = False
    advisory: bool = False
    min_realized: float | None = None
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        """UsageError for a share that none can be, and flags that contradict each other."""
        if self.strict and self.advisory:
            raise UsageError("--strict and --advisory contradict each other: give one of them.")
        if self.min_realized is not None and not 0 <= self.min_realized <= 1:
            raise UsageError(f"--min-realized is {self.min_realized}; it is a share, from 0 to 1.")

    def limit(self, name: str, target: str = "") -> Limit:
        """Of a check, for the target of that id; without one, for all that have no limit of their own."""
        if name == "realized" and self.min_realized is not None:
            return Limit(self.min_realized * 100)
        for asked in reversed(self.limits):
            if asked.name == name and fnmatch.fnmatchcase(target, asked.targets):
                return asked.limit
        return LIMITS[name].default

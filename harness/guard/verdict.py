"""What a look at an engine found, when that is a fault, and how it is said.

| limit | value | where it comes from |
|---|---|---|
| scores | 30 dB | Kernels that round as the file says leave 28 to 130 dB: a value between two steps falls to either side, and deep networks enlarge that (MobileNet v1 on OpenVINO 28, on ONNX Runtime 36; ResNet-56 39 and 40). Below it the pieces are looked at |
| beyond rounding | 1 value in 1000 | Values that are neither what the file gives nor its neighbour across a tie: see there |
| float pieces | 40 dB | Sums in another order leave more than 110 dB |
| scores alone | 20 dB | Where an engine does not show its pieces, or shows them without the fault: noise of a tenth of the scores |
"""  # noqa: E501  (a table)

from __future__ import annotations

import dataclasses
import math
from typing import Any

SCORES_DB = 30.0
OFF_SHARE = 0.001
FLOAT_DB = 40.0
ALONE_DB = 20.0
# Labels that differ without a fault are told from here on: a twentieth of the images, and more than one.
LARGE_SHARE, _LEAST_LABELS = 0.05, 2
_NAMED = 3
_SHIPPED = (
    "The figures here are of the file as written, with the optimisation off. For those of what ships run it with "
    "--optimization all, too, in a run of its own; --engine pytorch runs what the file says."
)


@dataclasses.dataclass(frozen=True)
class Piece:
    """Where an engine departs from its file. node: of the file, as --keep-float knows it, the first of `nodes`. kernel:
    what ran there, None if not known. off: share of the piece's values that are not what the file's own
    arithmetic gives on the same operands, ties in rounding left out; None for a float piece. snr_db: of those values.
    """

    node: str
    nodes: tuple[str, ...]
    kernel: str | None
    off: float | None
    snr_db: float

    @property
    def faulty(self) -> bool:
        """True where that is no matter of rounding."""
        return self.snr_db < FLOAT_DB if self.off is None else self.off > OFF_SHARE

    def says(self) -> str:
        """What is wrong with it."""
        what = self.node if self.kernel is None else f"{self.node} ({self.kernel})"
        if self.off is None:
            return f"{what}, {self.snr_db:.1f} dB"
        return f"{what}, {100 * self.off:.2g} % of its values beyond rounding"


@dataclasses.dataclass(frozen=True)
class Optimised:
    """What the engine's optimiser makes of a file that is run as written: as it would ship. level: of --optimization.
    labels_changed, snr_db: against the file executed node by node, on the verdict's images.
    """

    level: str
    labels_changed: int
    snr_db: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """images, source: how many were looked at, and which (see `Sample`). snr_db, labels_changed: the engine's scores
    against those of the file executed node by node; infinite where they are equal. pieces: where it departs, the worst
    first; none where that was not asked, or is not to be seen. way_out: the highest optimisation level at which it does
    not depart, None if there is none. faithful: False for a fault. saturating: how many of the 8-bit layers could
    overflow 16-bit sums, and of how many, where the processor sums in 16 bits. kept_float: nodes that were left in
    float for its sake, and why. optimised: of a simulated precision, which runs as written. not_looked: why nothing is
    known; the rest is empty then.
    """

    images: int = 0
    source: str = ""
    snr_db: float = math.inf
    labels_changed: int = 0
    pieces: tuple[Piece, ...] = ()
    way_out: str | None = None
    faithful: bool = True
    saturating: tuple[int, int] | None = None
    seconds: float = 0.0
    kept_float: tuple[tuple[str, str], ...] = ()
    optimised: Optimised | None = None
    not_looked: str | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes to leave in float, each once."""
        return tuple(dict.fromkeys(name for piece in self.pieces for name in piece.nodes))

    def cautions(self, engine: str) -> tuple[str, ...]:
        """One sentence or two each; none where all is well. engine: its name and version."""
        found = [f"{node} is left in float: {why}." for node, why in self.kept_float]
        saturates = self.saturating is not None and self.saturating[0] > 0
        if not self.faithful or saturates:
            found.append(f"{self.departs(engine)} {self._ways()}")
        elif self.labels_changed >= max(_LEAST_LABELS, LARGE_SHARE * self.images):
            found.append(
                f"{engine}: of the {self.images} {self.source} images tried, {self.labels_changed} "
                f"({self.labels_changed / self.images:.0%}) get another label than the file's own arithmetic gives, "
                "within what rounding allows. --engine pytorch runs what the file says."
            )
        if self.changed_by_optimiser:
            found.append(f"{self.would_ship(engine)} {_SHIPPED}")
        return tuple(found)

    @property
    def changed_by_optimiser(self) -> bool:
        """True where the optimiser would give other labels than the file that is run as written."""
        return self.optimised is not None and self.optimised.labels_changed > 0

    def would_ship(self, engine: str) -> str:
        """That the optimiser changes a file that is run as written, and on how many images."""
        assert self.optimised is not None
        changed, level = self.optimised.labels_changed, self.optimised.level
        return (
            f"{engine} with --optimization {level}, as it would ship, changes what the file computes: of the "
            f"{self.images} {self.source} images tried, {changed} ({changed / self.images:.0%}) get another label, "
            f"with {self.optimised.snr_db:.1f} dB of signal to noise at the scores."
        )

    def departs(self, engine: str) -> str:
        """That the engine does not compute what its file says, by how much, and where."""
        where = "" if not self.pieces else f" It departs at {'; '.join(one.says() for one in self.pieces[:_NAMED])}"
        rest = len(self.pieces) - _NAMED
        where += f" and {rest} more pieces" if rest > 0 else ""
        what = f"{engine} does not compute what the file says"
        if self.saturating is not None and self.saturating[0]:
            layers, of = self.saturating
            what = f"{engine}: {layers} of {of} layers can saturate on this processor"
        return (
            f"{what}; of the {self.images} {self.source} images tried, {self.labels_changed} get another label than "
            f"the file's own arithmetic gives, with {self.snr_db:.1f} dB of signal to noise at the scores."
            f"{where}{'.' if where else ''}"
        )

    def _ways(self) -> str:
        ways = []
        if self.saturating is not None and self.saturating[0]:
            ways.append("quantize the float model here, or with --portable: its weights then leave no sum to overflow")
        if self.way_out is not None:
            ways.append(f"run it with --optimization {self.way_out}, which computes what the file says")
        if self.nodes:
            flags = " ".join(f"--keep-float {name}" for name in self.nodes[:_NAMED])
            ways.append(f"quantize the float model with {flags}{' ...' if len(self.nodes) > _NAMED else ''}")
        return f"Ways out: {'; '.join(ways or ['another engine, or another version of this one'])}."

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a ratio that is infinite is null."""
        return {
            **dataclasses.asdict(self),
            "snr_db": _finite(self.snr_db),
            "optimised": None
            if self.optimised is None
            else {**vars(self.optimised), "snr_db": _finite(self.optimised.snr_db)},
            "nodes": list(self.nodes),
            "pieces": [{**vars(one), "nodes": list(one.nodes), "snr_db": _finite(one.snr_db)} for one in self.pieces],
            "saturating": None if self.saturating is None else list(self.saturating),
            "kept_float": dict(self.kept_float),
        }


def verdict_of(fields: dict[str, Any]) -> Verdict:
    """What `to_dict` took apart; KeyError, TypeError or ValueError for anything else."""
    rest = {name: value for name, value in fields.items() if name != "nodes"}
    pieces = tuple(
        Piece(**{**one, "nodes": tuple(one["nodes"]), "snr_db": _ratio(one["snr_db"])}) for one in rest.pop("pieces")
    )
    kept = tuple(rest.pop("kept_float").items())
    told = rest.pop("optimised", None)
    rest["optimised"] = None if told is None else Optimised(**{**told, "snr_db": _ratio(told["snr_db"])})
    saturating = rest.pop("saturating")
    rest["saturating"] = None if saturating is None else (int(saturating[0]), int(saturating[1]))
    return Verdict(**{**rest, "snr_db": _ratio(rest["snr_db"]), "pieces": pieces, "kept_float": kept})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ratio(value: float | None) -> float:
    return math.inf if value is None else float(value)

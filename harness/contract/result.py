"""What a search found: plain data, for the terminal and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from seatrial.exporters import InputContract
from seatrial.harness.contract.candidates import numbers_name, rule_name
from seatrial.harness.metrics import wilson_interval

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two candidates on the same images: the second's accuracy minus the first's, in 0..1.

    interval: at the confidence that holds for all comparisons of the search together (95 %). mcnemar_p: exact,
    two-sided. likelihood_p: two-sided, paired t test of the log-likelihoods. level: what a p-value must stay below.
    """

    images: int
    first_correct: int
    second_correct: int
    interval: tuple[float, float]
    mcnemar_p: float
    likelihood: float
    likelihood_p: float
    level: float

    @property
    def delta(self) -> float:
        """In 0..1."""
        return (self.second_correct - self.first_correct) / self.images

    @property
    def more_accurate(self) -> bool:
        """The second is significantly more accurate."""
        return self.delta > 0 and self.mcnemar_p < self.level

    @property
    def more_likely(self) -> bool:
        """The second gives the labels significantly more likelihood, and is no less accurate."""
        return self.likelihood > 0 and self.likelihood_p < self.level and self.delta >= 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "images": self.images,
            "top1": [self.first_correct / self.images, self.second_correct / self.images],
            "delta": self.delta,
            "interval": list(self.interval),
            "mcnemar_p": self.mcnemar_p,
            "log_likelihood_delta": self.likelihood,
            "log_likelihood_p": self.likelihood_p,
            "level": self.level,
        }


@dataclasses.dataclass(frozen=True)
class Row:
    """One candidate of a stage, on the images it was given before it was dropped, if it was.

    log_likelihood: mean per image in nats, at the candidate's own temperature. tied: not significantly worse than the
    best of the stage. difference: from the one that was named to this one.
    """

    contract: InputContract
    images: int
    correct: int
    log_likelihood: float
    temperature: float | None
    tied: bool
    difference: Difference

    @property
    def top1(self) -> float:
        """In 0..1."""
        return self.correct / self.images

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "contract": self.contract.to_dict(),
            "color": self.contract.color,
            "numbers": numbers_name(self.contract),
            "resize": rule_name(self.contract),
            "interpolation": self.contract.interpolation,
            "decoder": self.contract.decoder,
            "images": self.images,
            "top1": self.top1,
            "ci95": list(wilson_interval(self.correct, self.images)),
            "log_likelihood": self.log_likelihood,
            "temperature": self.temperature,
            "tied": self.tied,
            "vs_named": self.difference.to_dict(),
        }


@dataclasses.dataclass(frozen=True)
class Stage:
    """One race: candidates that differ in some factors only. named: what was taken of those that are tied."""

    name: str
    factors: tuple[str, ...]
    rows: tuple[Row, ...]
    named: InputContract

    @property
    def tied(self) -> tuple[Row, ...]:
        """What the images do not tell apart, the named one included."""
        return tuple(row for row in self.rows if row.tied)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "factors": list(self.factors),
            "named": self.named.to_dict(),
            "candidates": [row.to_dict() for row in self.rows],
        }


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A factor in which the declared contract is not the best one. difference: from the best one with this factor as
    declared, to the best one.
    """

    factor: str
    declared: str
    best: str
    difference: Difference

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "factor": self.factor,
            "declared": self.declared,
            "best": self.best,
            **self.difference.to_dict(),
        }


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The answer.

    best: None where every candidate is near chance. declared: None where nothing is. difference: from declared to best;
    deviations: by factor. wrong: the declared contract is significantly worse. inferences: images that went through the
    engine; grid: what every combination of the factors on every image would have taken.
    """

    model: str
    data: str
    images: int
    seed: int
    best: InputContract | None
    best_correct: int
    declared: InputContract | None
    difference: Difference | None
    deviations: tuple[Deviation, ...]
    wrong: bool
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]
    flags: tuple[str, ...]
    inferences: int
    grid: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values, the schema number included."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "data": {"name": self.data, "images": self.images, "seed": self.seed},
            "verdict": "near chance" if self.best is None else "declared contract is worse" if self.wrong else "ok",
            "best": None
            if self.best is None
            else {
                "contract": self.best.to_dict(),
                "flags": list(self.flags),
                "top1": self.best_correct / self.images,
                "ci95": list(wilson_interval(self.best_correct, self.images)),
            },
            "declared": None if self.declared is None else self.declared.to_dict(),
            "declared_vs_best": None if self.difference is None else self.difference.to_dict(),
            "deviations": [deviation.to_dict() for deviation in self.deviations],
            "stages": [stage.to_dict() for stage in self.stages],
            "notes": list(self.notes),
            "inferences": self.inferences,
            "full_grid": self.grid,
            "seconds": self.seconds,
        }

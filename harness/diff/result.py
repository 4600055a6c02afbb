"""What a comparison found, ranked, and as JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from seatrial.engines.precision import is_quantized
from seatrial.harness.diff.remedy import Remedy


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """A value of the original graph on both sides, over all images.

    position: counted from 1 among the layers of the original graph. snr_db: signal to noise as the next layer reads the
    value; `input_db`: the lowest of its operands'. computed_db: before the value is rounded, None where nothing rounds
    it or the file has no such value. layer_db: what the operator adds by itself, on the operands that it read;
    rounding_db: what its Q/DQ nodes add; None where that is not known. saturated: share of elements that the rounded
    form cannot hold. largest_difference: of elements; relative: the same as a share of the largest magnitude; cosine:
    similarity. broken: elements that are NaN or infinite on one side alone. worst_image: id and ratio in dB.
    """

    position: int
    value: str
    node: str
    op: str
    readers: tuple[str, ...]
    snr_db: float
    input_db: float | None
    computed_db: float | None
    layer_db: float | None
    rounding_db: float | None
    saturated: float | None
    largest_difference: float
    relative: float | None
    cosine: float | None
    broken: int
    worst_image: tuple[str, float] | None


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that adds error. kind: `layer` (weights, kernel) or `rounding` (of the value, to its Q/DQ grid).

    own_db: signal to what it adds. keep_float: the nodes that would have to stay float to avoid it.
    """

    kind: str
    own_db: float
    layer: LayerDifference
    keep_float: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Unmatched:
    """A value without a partner, and why."""

    value: str
    node: str
    op: str
    why: str


@dataclasses.dataclass(frozen=True)
class Image:
    """An image on which the two engines give different labels. label: -1 if not known. snr_db: of its logits."""

    id: str
    label: int
    reference: int
    target: int
    snr_db: float


@dataclasses.dataclass(frozen=True)
class Instrumented:
    """An engine that shows its insides against the same one untouched: a runtime fuses less where every value is an
    output.

    snr_db: of the logits; agreement: images with the same label; failed: what the untouched engine said where it gave
    no logits.
    """

    snr_db: float
    agreement: int
    failed: str | None = None


@dataclasses.dataclass(frozen=True)
class Answers:
    """Logits of the untouched engines. snr_db: over all images; agreement: images with the same label; differing: the
    others. reference_top1, target_top1: right answers, None without labels. None where an engine gave no logits.
    """

    snr_db: float | None
    agreement: int | None
    reference_top1: int | None
    target_top1: int | None
    differing: tuple[Image, ...]


@dataclasses.dataclass(frozen=True)
class DiffResult:
    """All that `bench.py diff` tells.

    values: which were asked for, `all` or `rounded`. keeping: which nodes `--keep-float` must name for a value not
    to be rounded: its `readers`, or those `around` it, its producer, too; None where the file is not made here.
    warnings: what must be read before any figure. remedy: which layers to keep in float, where that was asked.
    """

    model: str
    model_digest: str
    data: str
    images: int
    seed: int
    reference: str
    target: str
    target_precision: str
    same_file: bool
    values: str
    keeping: str | None
    threshold_db: float
    top: int
    answers: Answers
    reference_instrumented: Instrumented
    target_instrumented: Instrumented
    layers: tuple[LayerDifference, ...]
    unmatched: tuple[Unmatched, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    remedy: Remedy | None = None

    @property
    def parts_at(self) -> LayerDifference | None:
        """The first layer, in the order of the graph, whose ratio is below the threshold."""
        return next((layer for layer in self.layers if layer.snr_db < self.threshold_db), None)

    @property
    def worst(self) -> list[LayerDifference]:
        """Layers by their ratio, the lowest first; those that are equal on both sides are none."""
        found = [layer for layer in self.layers if layer.snr_db < math.inf]
        return sorted(found, key=lambda layer: (layer.snr_db, layer.position))[: self.top]

    @property
    def steps(self) -> list[Step]:
        """Of what adds error by itself, the first `top`."""
        return self.all_steps[: self.top]

    @property
    def all_steps(self) -> list[Step]:
        """What adds error by itself, the largest share of the signal first."""
        found = []
        for layer in self.layers:
            if layer.layer_db is not None and layer.layer_db < math.inf:
                # Between two rounded values lies the rounding of the second, too.
                behind = layer.readers if self.values == "rounded" and self.keeping == "around" else ()
                found.append(Step("layer", layer.layer_db, layer, self._kept(layer.node, *behind)))
            if layer.rounding_db is not None and layer.rounding_db < math.inf:
                producer = (layer.node,) if self.keeping == "around" and layer.position else ()
                found.append(Step("rounding", layer.rounding_db, layer, self._kept(*producer, *layer.readers)))
        return sorted(found, key=lambda step: (step.own_db, step.layer.position))

    def _kept(self, *nodes: str) -> tuple[str, ...]:
        return () if self.keeping is None else nodes

    @property
    def trusted(self) -> bool | None:
        """True where showing its insides changes the target's logits far less (10 dB) than what is to be explained, or
        not beyond float rounding; None where the untouched engine gave no logits.
        """
        if self.target_instrumented.failed is not None or self.answers.snr_db is None:
            return None
        return self.target_instrumented.snr_db >= min(self.answers.snr_db + 10, 60.0)

    @property
    def quantized(self) -> bool:
        """True where the target is at a quantized precision."""
        return is_quantized(self.target_precision)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, versioned. A ratio that is infinite is null, with `equal` true where there is no difference."""
        parts, steps = self.parts_at, self.steps
        return {
            "schema": 1,
            "model": {"name": self.model, "digest": self.model_digest},
            "data": {"name": self.data, "images": self.images, "seed": self.seed},
            "reference": self.reference,
            "target": self.target,
            "same_file": self.same_file,
            "values": self.values,
            "threshold_db": self.threshold_db,
            "parts_at": None if parts is None else parts.value,
            "answers": {
                **_plain(vars(self.answers)),
                "differing": [_plain(vars(image)) for image in self.answers.differing],
            },
            "instrumented": {
                "reference": _plain(vars(self.reference_instrumented)),
                "target": _plain(vars(self.target_instrumented)),
                "trusted": self.trusted,
            },
            "worst": [layer.value for layer in self.worst],
            "steps": [
                {
                    "kind": step.kind,
                    "value": step.layer.value,
                    "node": step.layer.node,
                    "own_db": _finite(step.own_db),
                    "keep_float": list(step.keep_float),
                }
                for step in steps
            ],
            "layers": [_layer(layer) for layer in self.layers],
            "unmatched": [vars(value).copy() for value in self.unmatched],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "remedy": None if self.remedy is None else self.remedy.to_dict(),
        }


def _layer(layer: LayerDifference) -> dict[str, Any]:
    worst = layer.worst_image
    return {
        **_plain(vars(layer)),
        "readers": list(layer.readers),
        "equal": layer.snr_db == math.inf,
        "worst_image": None if worst is None else {"id": worst[0], "snr_db": _finite(worst[1])},
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(value) if isinstance(value, float) else value for name, value in fields.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

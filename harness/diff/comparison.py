"""Both engines on the same images: sums for every value of the original graph, batch by batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.places import PlacedEngine
from seatrial.errors import DeviceError, EngineDiedError, SeatrialError, UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.diff.own import OwnOutputs
from seatrial.harness.diff.points import Layer, layers_of, points_of, rounded_values
from seatrial.harness.diff.prepare import Prepared
from seatrial.harness.diff.shown import shown_values
from seatrial.harness.diff.statistics import Tally
from seatrial.harness.progress import Progress
from seatrial.harness.spec.diff import DiffSpec
from seatrial.scores import of_two_classes

# Values of one batch on one side, in bytes; the first batch is one image, which tells how large an image's are.
_BATCH_BYTES = 256 << 20
_LARGEST_BATCH = 32

Array = npt.NDArray[Any]


@dataclasses.dataclass
class Logits:
    """What one engine answers for all images: untouched (None where it fails), and while it shows its insides."""

    untouched: list[Array]
    instrumented: list[Array]
    failed: str | None = None


class Comparison:
    """What is summed while the images go by.

    layers: of the original graph. points: of the two sides, the reference's first. Of the target against the reference:
    tallies (as the next layer reads a value) and computed (before it is rounded). Of the target against itself: own
    (against what the original operator makes of the same operands), rounding (a value before and behind its Q/DQ nodes)
    and saturated (elements out of reach, elements). unmatched: value -> why it is not compared.
    """

    def __init__(self, spec: DiffSpec, made: Prepared, reference: PlacedEngine, target: PlacedEngine) -> None:
        self.spec, self.made = spec, made
        self.layers = layers_of(made.original.proto, made.original.input_name)
        self.logits = (Logits([], []), Logits([], []))
        self.tallies: dict[str, Tally] = {}
        self.computed: dict[str, Tally] = {}
        self.own: dict[str, Tally] = {}
        self.rounding: dict[str, Tally] = {}
        self.saturated: dict[str, tuple[int, int]] = {}
        self.unmatched: dict[str, str] = {}
        self.notes: list[str] = []
        self._engines = (reference, target)
        self._sides = (made.reference, made.target)
        self.points = tuple(points_of(made.original.proto.graph, side.model.proto.graph) for side in self._sides)
        self._frozen = max(side.model.fixed_batch or 0 for side in self._sides)
        self._names = self._asked_for()
        self._cut: OwnOutputs | None = None
        self._uncut = False
        self._bytes = 0

    def run(self, progress: Progress) -> None:
        """Asks both engines about all images."""
        count = self.made.compared
        with progress.stage("Comparing layers", count) as update:
            for start, stop in self._batches(count):
                self._batch(start, stop)
                update(stop)

    def _asked_for(self) -> frozenset[str] | None:
        """The values that the target is asked for, None for all."""
        model = self._sides[1].model
        if shown_values(self.spec) == "all":
            return None
        names = rounded_values(model.proto.graph)
        if not names:
            raise UsageError(
                f"--values rounded: {model.name} at {self.spec.target.precision} has no Q/DQ nodes on its activations. "
                "Take --values all."
            )
        return frozenset({*names, model.output_name})

    def _batches(self, count: int) -> Iterator[tuple[int, int]]:
        size, start = self._frozen or 1, 0
        while start < count:
            yield start, min(start + size, count)
            start += size
            if not self._frozen and self._bytes:
                size = max(1, min(_LARGEST_BATCH, _BATCH_BYTES // self._bytes))

    def _batch(self, start: int, stop: int) -> None:
        pixels = self.made.images.read(start, stop)
        images = stop - start
        shown = []
        asked = (None, self._names)
        for engine, side, logits, names in zip(self._engines, self._sides, self.logits, asked, strict=True):
            tensor = side.model.contract.normalise(pixels)
            if logits.failed is None:
                try:
                    logits.untouched.append(engine.infer(tensor))
                except EngineDiedError:
                    raise
                except DeviceError as error:  # NaN logits, above all: where they come from is the question
                    logits.failed = str(error)
            filled = _filled(tensor, self._frozen)
            values = engine.intermediates(filled, names)
            answer = values.get(side.model.output_name)
            if answer is None:
                raise DeviceError(f"{side.id} does not show its own output {side.model.output_name!r}.")
            logits.instrumented.append(_scores(side.model, answer[:images].astype(np.float32)))
            shown.append({side.model.input_name: filled, **values})
            self._bytes = max(self._bytes, sum(value.nbytes for value in values.values()) // len(filled))
        own = self._own(pixels, shown[1])
        for layer in self.layers:
            self._layer(layer, shown[0], shown[1], own, images, start)
        name = self.made.original.input_name
        self._rounding(name, shown[1], images, start)
        self._compare(name, shown[0], shown[1], images, start)

    def _own(self, pixels: npt.NDArray[np.uint8], shown: dict[str, Array]) -> dict[str, Array]:
        original, target = self.made.original, self._sides[1]
        if self._uncut:
            return {}
        try:
            if self._cut is None:
                self._cut = OwnOutputs(
                    original.proto,
                    self.layers,
                    self.points[1],
                    target.model.proto.graph,
                    original.input_name,
                    shown,
                )
            batch = _filled(original.contract.normalise(pixels), self._frozen)
            return self._cut.of(batch, shown)
        except SeatrialError as error:
            self._uncut = True
            self.own.clear()
            self.notes.append(f"What each operator by itself adds is not known: {error}")
            return {}

    def _layer(
        self,
        layer: Layer,
        reference: dict[str, Array],
        target: dict[str, Array],
        own: dict[str, Array],
        images: int,
        first: int,
    ) -> None:
        name = layer.value
        if not self._compare(name, reference, target, images, first):
            return
        self._rounding(name, target, images, first)
        point = self.points[1][name]
        other = self.points[0][name]
        if point.computed is not None and point.read is not None:
            expected = reference.get(other.computed or other.shown)
            found = target.get(point.computed)
            if expected is not None and found is not None and expected.shape == found.shape:
                _tally(self.computed, name).add(*self._trimmed(expected, found, images), images, first)
        found = target.get(point.computed or "", target.get(point.shown))
        if name in own and found is not None and own[name].shape == found.shape:
            _tally(self.own, name).add(*self._trimmed(own[name], found, images), images, first)

    def _compare(
        self, name: str, reference: dict[str, Array], target: dict[str, Array], images: int, first: int
    ) -> bool:
        point = self.points[1].get(name)
        if name in self.unmatched or (self._names is not None and point is not None and point.shown not in self._names):
            return False
        values = []
        for points, shown, side in zip(self.points, (reference, target), self._sides, strict=True):
            point = points.get(name)
            value = None if point is None else shown.get(point.shown)
            if value is None:
                why = "is not in the file of" if point is None else "is not shown by"
                self.unmatched[name] = f"{why} {side.id}"
                return False
            values.append(value)
        if values[0].shape != values[1].shape:
            self.unmatched[name] = f"has two shapes, {list(values[0].shape)} and {list(values[1].shape)}"
            self.tallies.pop(name, None)
            return False
        _tally(self.tallies, name).add(*self._trimmed(values[0], values[1], images), images, first)
        return True

    def _rounding(self, name: str, target: dict[str, Array], images: int, first: int) -> None:
        point = self.points[1].get(name)
        if point is None or point.computed is None or point.read is None:
            return
        before, after = target.get(point.computed), target.get(point.read)
        if before is None or after is None or before.shape != after.shape:
            return
        before, after = self._trimmed(before, after, images)
        _tally(self.rounding, name).add(before, after, images, first)
        if point.limits is not None:
            low, high = point.limits
            beyond, size = self.saturated.get(name, (0, 0))
            found = int(np.count_nonzero((before < low) | (before > high)))
            self.saturated[name] = beyond + found, size + before.size

    def _trimmed(self, first: Array, second: Array, images: int) -> tuple[Array, Array]:
        """Without what fills a frozen batch up."""
        if first.ndim and len(first) == self._frozen > images:
            return first[:images], second[:images]
        return first, second


def _scores(model: DeployableModel, answer: Array) -> Array:
    return of_two_classes(answer, model.scores) if model.binary else answer.reshape(len(answer), -1)


def _tally(tallies: dict[str, Tally], name: str) -> Tally:
    return tallies.setdefault(name, Tally())


def _filled(batch: Array, size: int) -> Array:
    missing = size - len(batch)
    return batch if missing <= 0 else np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])

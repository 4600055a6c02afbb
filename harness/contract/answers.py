"""What the model answers when it is fed by a candidate contract: asked once per image, kept small."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seatrial.engines.places import PlacedEngine
from seatrial.exporters.contract import InputContract
from seatrial.harness.contract.statistics import Floats, best_confidence, log_likelihood
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ordered_map

Labels = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]
# Logits of so many images are kept to fit the temperature; later images use it as it is. Bounds the memory.
TEMPERATURE_IMAGES = 2048
_MOST_AT_ONCE = 16
# Logits of so many images wait before they are filed.
_FILED_TOGETHER = 256
_SMALLEST_PROBABILITY = 1e-12


class Images(Protocol):
    """What is asked about."""

    def read(self, position: int, contract: InputContract) -> Pixels:
        """uint8 RGB [height, width, 3]: one image by the contract's image side; safe from several threads."""


class Answers:
    """One candidate's answers to the first `count` images, in order."""

    def __init__(self) -> None:
        self.correct: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._logits: Logits | None = None
        self._labels: Labels = np.empty(0, np.int64)
        self._later: Floats = np.empty(0, np.float64)
        self._confidence: float | None = None
        self._score: Floats | None = None

    @property
    def count(self) -> int:
        """Images answered."""
        return len(self.correct)

    @property
    def confidence(self) -> float:
        """1 / temperature, fitted to the first images."""
        if self._confidence is None:
            assert self._logits is not None
            self._confidence = best_confidence(self._logits, self._labels)
        return self._confidence

    def add(self, logits: Logits, labels: Labels) -> None:
        """The next images' float32 [N, classes] and int64 [N]."""
        self._score = None
        room = TEMPERATURE_IMAGES - len(self._labels)
        self.correct = np.concatenate([self.correct, logits.argmax(axis=1) == labels])
        if room > 0:
            first = logits[:room]
            self._logits = first if self._logits is None else np.concatenate([self._logits, first])
            self._labels = np.concatenate([self._labels, labels[:room]])
            self._confidence = None
        if len(logits) > room:
            later = log_likelihood(logits[room:], labels[room:], self.confidence)
            self._later = np.concatenate([self._later, later])

    def score(self) -> Floats:
        """The log-likelihood of each image's label at the candidate's own temperature: float64 [count]."""
        if self._score is None:
            assert self._logits is not None
            first = log_likelihood(self._logits, self._labels, self.confidence)
            self._score = np.concatenate([first, self._later])
        return self._score


class Asker:
    """Asks one engine: candidates differ in the input tensor only, so that one engine serves them all.

    `inferences` counts the images that went through it. Of candidates that make the same tensor of an image, one goes.
    """

    def __init__(
        self,
        engine: PlacedEngine,
        images: Images,
        labels: Labels,
        *,
        probabilities: bool,
        workers: int,
    ) -> None:
        self.labels = labels
        self.inferences = 0
        self.answers: dict[InputContract, Answers] = {}
        self._engine, self._images = engine, images
        self._probabilities, self._workers = probabilities, workers

    def ask(
        self,
        candidates: Sequence[InputContract],
        images: int,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Brings every candidate's answers to the first `images` images; what is answered is not asked again."""
        candidates = list(dict.fromkeys(candidates))
        for candidate in candidates:
            self.answers.setdefault(candidate, Answers())
        counts = sorted({count for one in candidates if (count := self.answers[one].count) < images})
        for start, stop in itertools.pairwise([*counts, images]):
            behind = [candidate for candidate in candidates if self.answers[candidate].count == start]
            self._ask(behind, start, stop, progress)

    def _ask(self, candidates: Sequence[InputContract], start: int, stop: int, progress: Callable[[int], None]) -> None:
        size = max(4, min(_MOST_AT_ONCE, -(-(stop - start) // (2 * self._workers))))
        parts = [range(first, min(first + size, stop)) for first in range(start, stop, size)]
        waiting: dict[InputContract, list[Logits]] = {candidate: [] for candidate in candidates}
        work = functools.partial(self._answer, candidates)
        for part, (logits, inferences) in zip(parts, ordered_map(work, parts, workers=self._workers), strict=True):
            self.inferences += inferences
            for candidate in candidates:
                waiting[candidate].append(logits[candidate])
            if part.stop == stop or len(waiting[candidates[0]]) * size >= _FILED_TOGETHER:
                self._file(waiting)
            progress(part.stop)

    def _file(self, waiting: dict[InputContract, list[Logits]]) -> None:
        for candidate, several in waiting.items():
            logits, first = np.concatenate(several), self.answers[candidate].count
            self.answers[candidate].add(logits, self.labels[first : first + len(logits)])
            several.clear()

    def _answer(self, candidates: Sequence[InputContract], part: range) -> tuple[dict[InputContract, Logits], int]:
        sides: dict[InputContract, list[bytes]] = {}
        pixels: dict[bytes, Pixels] = {}
        for candidate in candidates:
            side = _image_side(candidate)
            if side not in sides:
                images = [self._images.read(position, side) for position in part]
                keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
                sides[side] = keys
                pixels.update(zip(keys, images, strict=True))
        numbers: dict[InputContract, list[InputContract]] = {}
        for candidate in candidates:
            numbers.setdefault(_number_side(candidate), []).append(candidate)
        found: dict[InputContract, Logits] = {}
        inferences = 0
        for group in numbers.values():
            wanted = list(dict.fromkeys(key for candidate in group for key in sides[_image_side(candidate)]))
            logits = self._infer(group[0], np.stack([pixels[key] for key in wanted]))
            inferences += len(wanted)
            row_of = {key: row for row, key in enumerate(wanted)}
            for candidate in group:
                found[candidate] = logits[[row_of[key] for key in sides[_image_side(candidate)]]]
        return found, inferences

    def _infer(self, contract: InputContract, pixels: Pixels) -> Logits:
        several = [
            self._engine.infer(contract.normalise(pixels[first : first + _MOST_AT_ONCE]))
            for first in range(0, len(pixels), _MOST_AT_ONCE)
        ]
        logits = np.concatenate(several)
        if self._probabilities:  # logits up to a constant, to which softmax is blind
            logits = np.log(np.maximum(logits, _SMALLEST_PROBABILITY))
        return logits


def _image_side(contract: InputContract) -> InputContract:
    return dataclasses.replace(
        contract, color="rgb", divisor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), dtype="float32"
    )


def _number_side(contract: InputContract) -> InputContract:
    return InputContract(
        contract.size,
        color=contract.color,
        divisor=contract.divisor,
        mean=contract.mean,
        std=contract.std,
        layout=contract.layout,
        dtype=contract.dtype,
    )

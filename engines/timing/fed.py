"""From the stored image to the answer, in the engine's process: what makes its input is called beside it, and timed."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seatrial.engines.base import Batch, Engine, Logits
from seatrial.engines.timing.answers import SAME, spread
from seatrial.errors import UnsupportedError
from seatrial.packages import need

Array = npt.NDArray[Any]
Nanoseconds = npt.NDArray[np.int64]
# The part of seatrial that decodes.
_DECODES = "seatrial.harness"
# The engine's own part: its input copied in, computed, the answer copied out.
HOST = "host"
# A day: sums of so many stay within 64 bits.
_LONGEST_NS = 86400 * 10**9


class Feeder(Protocol):
    """Makes the input of one image. steps: the names of those that there are, in order."""

    steps: Sequence[str]

    def __call__(self, index: int) -> tuple[Batch, Mapping[str, int]]:
        """The input of image `index`, and nanoseconds of each step, at least."""


# (description, stored images) -> the feeder.
MakeFeeder = Callable[[Mapping[str, Any], Sequence[Array]], Feeder]


@dataclasses.dataclass(frozen=True)
class TimedFed:
    """Queries from the stored image to the answer. whole: int64 [Q] nanoseconds by one clock around all of it. parts:
    step -> int64 [Q], in order, the engine's own last. wrong: answers that were others than those given untimed.
    """

    whole: Nanoseconds
    parts: Mapping[str, Nanoseconds]
    wrong: int

    @classmethod
    def checked(cls, steps: Sequence[str], arrays: Sequence[Array], wrong: int) -> TimedFed:
        """Of what an engine's process told, whole [Q] and parts [Q, steps]; ValueError for what no clock gives."""
        whole, parts = arrays
        if whole.dtype != np.int64 or parts.dtype != np.int64 or not whole.size or whole.ndim != 1:
            raise ValueError(f"times of {whole.dtype} {list(whole.shape)}, their parts {parts.dtype}")
        if parts.shape != (len(whole), len(steps)):
            raise ValueError(f"parts {list(parts.shape)} of {len(whole)} times of {len(steps)} steps")
        if parts.min() < 0 or whole.min() <= 0 or whole.max() > _LONGEST_NS or (parts > whole[:, None]).any():
            raise ValueError("a step that takes no time, or more than all of them")
        if (parts.sum(axis=1) > whole).any():
            raise ValueError("steps that take more time together than all of it")
        if not 0 <= wrong <= len(whole):
            raise ValueError(f"{wrong} wrong answers of {len(whole)}")
        return cls(whole, dict(zip(steps, parts.T, strict=True)), wrong)


class Fed:
    """An engine behind a feeder. answers: float32 [S, classes] of each image, given untimed."""

    def __init__(self, engine: Engine, where: str, description: Mapping[str, Any], images: Sequence[Array]) -> None:
        """where: `MODULE:CALLABLE`, a `MakeFeeder`. UnsupportedError where the module does not import here; raises what
        the feeder raises of an image.
        """
        self._infer, self._feeder, self._images = engine.infer, make_feeder(where)(description, images), len(images)
        self.steps = (*self._feeder.steps, HOST)
        self.answers: Logits = np.concatenate([self._infer(self._feeder(index)[0]) for index in range(self._images)])
        self._limit = SAME * spread(self.answers)

    def time(self, first: int, queries: int, seconds: float) -> tuple[Nanoseconds, Nanoseconds, int]:
        """Of queries `first` on, image by image and round again: whole, int64 [Q] nanoseconds by one clock around all
        of it; parts, int64 [Q, steps]; and how many answers were others than those given untimed.

        Ends after `queries`, or after the query in which `seconds` are over. Answers are compared outside the clock.
        One more query runs before, untimed.
        """
        clock, feeder, infer = time.perf_counter_ns, self._feeder, self._infer
        infer(feeder((first - 1) % self._images)[0])  # what ran before in this turn left its data in the caches
        whole: list[int] = []
        parts: list[list[int]] = []
        wrong = 0
        end = clock() + int(seconds * 1e9)
        for number in range(first, first + queries):
            index = number % self._images
            asked = clock()
            batch, steps = feeder(index)
            ready = clock()
            answer = infer(batch)
            answered = clock()
            whole.append(answered - asked)
            parts.append([*(steps[name] for name in feeder.steps), answered - ready])
            wrong += not np.abs(answer[0] - self.answers[index]).max() <= self._limit
            if answered > end:
                break
        return np.array(whole, np.int64), np.array(parts, np.int64), wrong


def make_feeder(where: str) -> MakeFeeder:
    """The callable `MODULE:CALLABLE`; UnsupportedError, with what to install, where the module does not import."""
    module, _, name = where.partition(":")
    if module.startswith(_DECODES) and importlib.util.find_spec(_DECODES) is None:
        raise UnsupportedError(
            "What decodes images is not there: a board is sent what engines need alone. Its queries are timed from the "
            "input tensor on."
        )
    found: MakeFeeder = getattr(need(module, "Timing from the stored image on", "pip install seatrial"), name)
    if not callable(found):
        raise UnsupportedError(f"{where} is nothing that can be called.")
    return found

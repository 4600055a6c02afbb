"""Whether answers under the clock are those that the engine gives when nobody counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.order import Integers

Logits = npt.NDArray[np.float32]

# How far an answer may lie from the one before, as a share of the spread of all scores. A mistaken answer is another
# image's, which lies far off: of ResNet-20's and SqueezeNet's, those of any two images by 12 % at least.
# The same input in the same form: sums in another order differ by some 2 ** -11 of each layer's in half precision,
# 2 ** -8 in bfloat16, and scores of 8 bits by a step, 1 / 255.
SAME = 0.01
# In a batch with others, kernels are others, and dynamic quantization takes its scale from the whole batch: a few steps
# of 8 bits. Both models, fp32 to int8, ONNX Runtime and OpenVINO: none differs at all.
COMPOSED = 0.05
# With one value of the input changed: both models, from fp32 to int8, change by 0.9 % at most.
FRESH = 0.1

_ROOM = 8 << 20


def spread(expected: Logits) -> float:
    """The largest less the smallest of all scores; where they are all alike, their size, or 1 for zeros."""
    found = float(expected.max()) - float(expected.min())
    return found or abs(float(expected.max())) or 1.0


def room(samples: int, classes: int) -> int:
    """Answers of so many images that are kept until they are compared."""
    return max(1, min(1 << 16, _ROOM // (4 * samples * classes)))


class Answers:
    """Copies of answers, compared where no clock runs: when `compare` is called, or when there is no room for more."""

    def __init__(self, expected: Logits, samples: int, *, every: int | None = None) -> None:
        """expected: [S, classes]. samples: images of a query. every: where nothing may be compared between queries,
        since others wait: only each so many-th answer is kept, and what does not fit is left out. None for all.
        """
        self._expected, self._spread = expected, spread(expected)
        self._every, self._seen, self._filled = every, 0, 0
        places = room(samples, expected.shape[1])
        self._kept = np.empty((places, samples, expected.shape[1]), np.float32)
        self._asked = np.empty((places, samples), np.int64)
        self._fresh = np.empty(places, np.bool_)
        self._limit = SAME if samples == 1 else COMPOSED
        self.checked = self.wrong = 0
        self.worst = 0.0

    def keep(self, answer: Logits, asked: Integers, fresh: bool) -> None:
        """answer: [samples, classes]. asked: their numbers, [samples]."""
        self._seen += 1
        if self._every is not None and self._seen % self._every:
            return
        at = self._filled
        if at == len(self._kept):
            if self._every is not None:
                return
            self.compare()
            at = 0
        self._kept[at] = answer
        self._asked[at] = asked
        self._fresh[at] = fresh
        self._filled = at + 1

    def compare(self) -> None:
        """Counts those that were kept, and forgets them."""
        filled, self._filled = self._filled, 0
        if not filled:
            return
        fresh = self._fresh[:filled]
        differences = np.abs(self._kept[:filled] - self._expected[self._asked[:filled]]).max(axis=(1, 2)) / self._spread
        wrong = ~(differences <= np.where(fresh, FRESH, self._limit))
        self.checked += filled
        self.wrong += int(np.count_nonzero(wrong))
        # A changed input's answer is another one: it says something only where it is wrong.
        self.worst = max(self.worst, float(differences[wrong | ~fresh].max(initial=0.0)))

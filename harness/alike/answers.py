"""One engine's answers to the same images, asked in several ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.precision import is_quantized
from seatrial.exporters.contract import InputContract, Tensor

Pixels = npt.NDArray[np.uint8]
Infer = Callable[[Tensor], npt.NDArray[np.float32]]

# No batch that anybody freezes a graph at: a graph that holds one cannot answer so many.
IMAGES = 7
# Differences as shares of the largest score. Two ResNets, a MobileNet, a SqueezeNet and a network for traffic signs, on
# ONNX Runtime (fp32, int8, int4), OpenVINO (fp32, int8, bf16, fp16) and PyTorch, 96 images each: asked again, beside
# other images and in another order they give the very same bits; alone, where another kernel multiplies one row,
# scores move by at most 8e-7. A hundred times that is no rounding.
LIMIT = 1e-4
# Of 8 bits, one step is 4e-3 of the range and 16-bit floats round at 4e-3 (bf16): rounding that another kernel moves
# may show.
LIMIT_ROUNDED = 2e-2
_ALONE = 4
# How often a model with operators that draw is asked again before it is believed: what happens to one image in a
# hundred is then seen in 99 of 100 models.
ASKED_AGAIN = 64


@dataclasses.dataclass(frozen=True)
class Difference:
    """share: the largest difference of a score, as a share of the largest score; labels: of `images`, how many got
    another class.
    """

    share: float
    labels: int
    images: int

    def __str__(self) -> str:
        share = f"{self.share:.1%}" if self.share >= 0.001 else f"{self.share:.0e}"
        return f"scores by up to {share} of the largest, {self.labels} of {self.images} labels"


@dataclasses.dataclass(frozen=True)
class Filled(Difference):
    """The same in a batch of `asked` images; place: where in it the difference is the largest, from 1."""

    asked: int
    place: int


@dataclasses.dataclass(frozen=True)
class Answers:
    """What changes when the same images are asked again, beside other images, in the reverse order, alone, and in
    batches as large as the run's.

    The others are None for a model that takes one image at a time. rounded: the target computes in few bits.
    """

    again: Difference
    neighbours: Difference | None
    order: Difference | None
    alone: Difference | None
    rounded: bool = False
    filled: Filled | None = None

    def changes(self, suspected: bool) -> bool:
        """True where asking again gives other answers. suspected: the graph has operators that draw; the least
        difference is theirs then.
        """
        return self.again.share > (0 if suspected else LIMIT)

    def mixes(self, suspected: bool) -> bool:
        """True where an answer hangs on the rest of the batch; likewise."""
        if self.neighbours is None or self.order is None or self.alone is None:
            return False
        return self.neighbours.share > (0 if suspected else LIMIT) or self._moved(self.order, self.alone, self.filled)

    @property
    def spoilt(self) -> bool:
        """True where a batch as large as the run's gives answers that smaller ones do not: a fault of the runtime's."""
        return self._moved(self.filled) and not self._moved(self.order, self.alone)

    def _moved(self, *found: Difference | None) -> bool:
        limit = LIMIT_ROUNDED if self.rounded else LIMIT
        return any(one is not None and one.share > limit for one in found)

    @property
    def still(self) -> bool:
        """True where nothing moved but what another kernel moves: no operator can be to blame."""
        return not self.again.share and not self.mixes(True)

    @property
    def mixed(self) -> Difference:
        """The largest difference that the rest of the batch makes."""
        found = [one for one in (self.neighbours, self.order, self.alone, self.filled) if one is not None]
        return max(found, key=lambda one: one.share, default=self.again)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


def compare_answers(
    infer: Infer,
    pixels: Pixels,
    contract: InputContract,
    *,
    batch: int | None,
    precision: str,
    draws: bool = False,
    sizes: Iterable[int] = (),
) -> Answers:
    """Asks an engine in all these ways.

    pixels: uint8 RGB [N, H, W, 3], a few images; the others of a batch are their negatives, half as bright. batch:
    that the engine is built for, None for a free one. draws: the graph has operators that draw; it is asked again until
    one shows, at most ASKED_AGAIN times. sizes: of further batches, in which the same images are repeated: kernels may
    fail at one size alone. Raises what `infer` raises.
    """
    if len(pixels) == 1:
        pixels = np.concatenate([pixels, 255 - pixels])
    images: Tensor = contract.normalise(pixels)
    first = infer(images)
    scale = max(float(np.abs(first).max()), float(np.finfo(np.float32).tiny))

    def difference(places: npt.NDArray[np.int64], found: npt.NDArray[np.float32]) -> Difference:
        expected = first[places]
        labels = int(np.count_nonzero(expected.argmax(axis=1) != found.argmax(axis=1)))
        return Difference(float(np.abs(expected - found).max()) / scale, labels, len(places))

    every = np.arange(len(images))
    again = difference(every, infer(images))
    for _ in range(ASKED_AGAIN - 1 if draws else 0):
        if again.share:
            break
        again = difference(every, infer(images))
    rounded = is_quantized(precision) or precision in ("fp16", "bf16")
    if batch == 1:
        return Answers(again, None, None, None, rounded)
    kept = every[::2]
    others = pixels.copy()
    others[1::2] = (255 - others[1::2]) // 2
    neighbours = difference(kept, infer(contract.normalise(others))[kept])
    order = difference(every, infer(contract.normalise(pixels[::-1]))[::-1])
    single = every[:_ALONE]
    alone = difference(single, np.concatenate([infer(images[index : index + 1]) for index in single]))
    filled = []
    for size in sizes if batch is None else ():
        places = np.arange(size) % len(pixels)
        filled.append(_filled(first[places], infer(contract.normalise(pixels[places])), scale))
    worst = max(filled, key=lambda one: one.share, default=None)
    return Answers(again, neighbours, order, alone, rounded, worst)


def _filled(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32], scale: float) -> Filled:
    moved = np.abs(expected - found).max(axis=1)
    labels = int(np.count_nonzero(expected.argmax(axis=1) != found.argmax(axis=1)))
    return Filled(float(moved.max()) / scale, labels, len(found), asked=len(found), place=int(moved.argmax()) + 1)

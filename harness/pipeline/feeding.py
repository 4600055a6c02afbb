"""From one stored image to the engine's input, step by step, with the time of each: what runs beside an engine while it
is timed from the stored image on.

It is the run's own way, through the same code; the module is imported in the engine's process, by the name `FEEDER`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.exporters.contract import InputContract, Tensor
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.color import COLORS
from seatrial.harness.pipeline.decoders import picture_of
from seatrial.harness.pipeline.numbers import tensor
from seatrial.harness.pipeline.resize import to_size
from seatrial.packages import need

FEEDER = f"{__name__}:feeder"
STEPS = ("decode", "resize", "color", "normalise")


@dataclasses.dataclass(frozen=True)
class Way:
    """From stored images to an engine's input. images: the contract whose image side says how they are read. tensor:
    the engine's own contract, whose number side says what it takes. encoded: whether they are stored as files. color:
    a name of `harness.pipeline.color`, None for none. numbers: a name of `harness.pipeline.numbers`, None for the
    contract's arithmetic. threads: of libraries that use several.
    """

    images: InputContract
    tensor: InputContract
    encoded: bool
    color: str | None = None
    numbers: str | None = None
    threads: int = 1

    @property
    def steps(self) -> tuple[str, ...]:
        """Those of STEPS that there are: arrays are not decoded, and the rule "none" resizes nothing."""
        there = (self.encoded, self.images.resize != "none", self.color is not None, True)
        return tuple(name for name, is_there in zip(STEPS, there, strict=True) if is_there)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**vars(self), "images": self.images.to_dict(), "tensor": self.tensor.to_dict()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Way:
        """The inverse of `to_dict`."""
        contracts = {name: InputContract.from_dict(value[name]) for name in ("images", "tensor")}
        return cls(**{**value, **contracts})


class ImageFeeder:
    """Makes the input of one image after the other."""

    def __init__(self, way: Way, payloads: Sequence[Payload]) -> None:
        """UnsupportedError where a decoder or a filter is missing here comes with the first image."""
        self._way, self._payloads, self.steps = way, payloads, way.steps
        self._resizes = "resize" in way.steps
        self._change = None if way.color is None else COLORS[way.color]

    def __call__(self, index: int) -> tuple[Tensor, dict[str, int]]:
        """[1, *tensor_shape] of image `index`; nanoseconds of each of STEPS. Raises as decoders and `to_size` do."""
        way, payload, clock = self._way, self._payloads[index], time.perf_counter_ns
        begin = clock()
        picture = picture_of(payload, way.images.decoder, way.images.orientation)
        decoded = clock()
        pixels = to_size(picture, way.images, payload.where)
        del picture  # to give a large picture back takes time, too: it is the resize's
        resized = clock()
        changed = pixels if self._change is None else self._change(pixels)
        colored = clock()
        batch = tensor(changed[None], way.tensor, way.numbers)
        del pixels, changed
        normalised = clock()
        taken = {"resize": resized - decoded, "color": colored - resized, "normalise": normalised - colored}
        # What decoded to the size is still made an array.
        taken["decode"] = (decoded if self._resizes else resized) - begin
        return batch, taken


def feeder(description: Mapping[str, Any], images: Sequence[npt.NDArray[np.uint8]]) -> ImageFeeder:
    """description: `way` as of `Way.to_dict`, `names` of the images for errors. images: uint8 [bytes] of files, or
    pixels [H, W, 3]. Sets the threads of the libraries in this process; UnsupportedError where one is missing.
    """
    way = Way.from_dict(description["way"])
    cv2.setNumThreads(way.threads)
    if way.images.interpolation.startswith("torch-") and "resize" in way.steps:
        need("torch", "An interpolation torch-*", "pip install 'seatrial[torch]'").set_num_threads(way.threads)
    payloads = [
        Payload(str(name), image.tobytes() if way.encoded else image)
        for name, image in zip(description["names"], images, strict=True)
    ]
    return ImageFeeder(way, payloads)

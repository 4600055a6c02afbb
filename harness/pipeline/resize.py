"""uint8 RGB pixels -> the model's size, by the contract's rule and the filter of the library that it names."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from seatrial.errors import BadInputError
from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.picture import Picture, shape_of
from seatrial.harness.pipeline.resizers import resize

__all__ = ["resize", "to_size"]


def to_size(picture: Picture, contract: InputContract, where: str) -> Pixels:
    """Resizes, crops or pads uint8 RGB [H, W, 3], or Pillow's image of mode RGB, by the contract's rule: uint8 [height,
    width, 3] of its size.

    where: names the image in errors. Raises BadInputError where the rule is "none" and the size differs,
    UnsupportedError where the filter's library is missing.
    """
    return _RULES[contract.resize](picture, contract, where)


def _none(picture: Picture, contract: InputContract, where: str) -> Pixels:
    shape = shape_of(picture)
    if shape[:2] == contract.size:
        return np.asarray(picture)
    height, width = contract.size
    raise BadInputError(
        f"{where} is {shape[1]}x{shape[0]} px, the model takes {width}x{height} and the "
        "contract does not resize. "
        f"Name a rule: --resize {height}x{width} (both sides) or --resize N --crop {height} (short "
        "side, centre crop)."
    )


def _exact(picture: Picture, contract: InputContract, where: str) -> Pixels:
    return resize(picture, contract.size, contract.interpolation)


def _short_side(picture: Picture, contract: InputContract, where: str) -> Pixels:
    assert contract.resize_to is not None
    height, width, _ = shape_of(picture)
    target = contract.resize_to
    # torchvision's Resize(int): the long side is truncated.
    size = (int(target * height / width), target) if width <= height else (target, int(target * width / height))
    return _centre(resize(picture, size, contract.interpolation), contract)


def _squash_crop(picture: Picture, contract: InputContract, where: str) -> Pixels:
    assert contract.resize_to is not None
    size = (contract.resize_to, contract.resize_to)
    return _centre(resize(picture, size, contract.interpolation), contract)


def _letterbox(picture: Picture, contract: InputContract, where: str) -> Pixels:
    """Ultralytics' LetterBox (auto=False, scaleup=True, center=True): sides are rounded half to even; of an odd number
    of free pixels the larger half lies at the bottom or right. A side that would round to 0 is 1 px here.
    """
    height, width = contract.size
    own_height, own_width, _ = shape_of(picture)
    factor = min(height / own_height, width / own_width)
    inner = max(1, round(own_height * factor)), max(1, round(own_width * factor))
    found = np.full((height, width, 3), contract.pad_value, np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    found[top : top + inner[0], left : left + inner[1]] = resize(picture, inner, contract.interpolation)
    return found


_RULES: dict[str, Callable[[Picture, InputContract, str], Pixels]] = {
    "none": _none,
    "exact": _exact,
    "short-side": _short_side,
    "squash-crop": _squash_crop,
    "letterbox": _letterbox,
}


def _down(free: int) -> int:
    return free // 2


def _up(free: int) -> int:
    return math.ceil(free / 2)


def _half_even(free: int) -> int:
    # torchvision's CenterCrop.
    return round(free / 2)


_OFFSETS: dict[str, Callable[[int], int]] = {"half-even": _half_even, "down": _down, "up": _up}


def _centre(pixels: Pixels, contract: InputContract) -> Pixels:
    height, width = contract.size
    offset = _OFFSETS[contract.crop_offset]
    top, left = offset(pixels.shape[0] - height), offset(pixels.shape[1] - width)
    return pixels[top : top + height, left : left + width]

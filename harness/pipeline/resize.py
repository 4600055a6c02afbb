"""uint8 RGB pixels -> the model's size, by the contract's rule and the filter of the library that it names."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from exporters.contract import InputContract
from harness.data.source import Pixels
from shipcheck.errors import BadInputError

_PILLOW = {
    "pillow-nearest": Image.Resampling.NEAREST,
    "pillow-box": Image.Resampling.BOX,
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-hamming": Image.Resampling.HAMMING,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-lanczos": Image.Resampling.LANCZOS,
}
# Unlike Pillow's, these do not widen the filter when they shrink an image: all but "area" alias.
_OPENCV = {
    "opencv-nearest": cv2.INTER_NEAREST,
    "opencv-bilinear": cv2.INTER_LINEAR,
    "opencv-area": cv2.INTER_AREA,
    "opencv-bicubic": cv2.INTER_CUBIC,
    "opencv-lanczos4": cv2.INTER_LANCZOS4,
}


def to_size(pixels: Pixels, contract: InputContract, where: str) -> Pixels:
    """Resizes and crops uint8 RGB [H, W, 3] by the contract's rule: uint8 [height, width, 3] of its size.

    where: names the image in errors. Raises BadInputError where the rule is "none" and the size differs.
    """
    height, width = contract.size
    if contract.resize == "exact":
        return resize(pixels, contract.size, contract.interpolation)
    if contract.resize == "short-side":
        assert contract.resize_to is not None
        resized = resize(pixels, _short_side(pixels.shape[:2], contract.resize_to), contract.interpolation)
        # torchvision's CenterCrop: the offset is rounded half to even.
        top, left = round((resized.shape[0] - height) / 2), round((resized.shape[1] - width) / 2)
        return resized[top : top + height, left : left + width]
    if pixels.shape[:2] != contract.size:
        raise BadInputError(
            f"{where} is {pixels.shape[1]}x{pixels.shape[0]} px, the model takes {width}x{height} and the "
            "contract does not resize. "
            f"Name a rule: --resize {height}x{width} (both sides) or --resize N --crop {height} (short "
            "side, centre crop)."
        )
    return pixels


def resize(pixels: Pixels, size: tuple[int, int], interpolation: str) -> Pixels:
    """uint8 [H, W, 3] -> uint8 [height, width, 3] for size = (height, width), by a name of `INTERPOLATIONS`."""
    height, width = size
    if interpolation in _PILLOW:
        return np.asarray(Image.fromarray(pixels).resize((width, height), _PILLOW[interpolation]))
    resized: Pixels = cv2.resize(  # type: ignore[assignment]  # uint8 in, uint8 out
        pixels, (width, height), interpolation=_OPENCV[interpolation]
    )
    return resized


def _short_side(size: tuple[int, ...], target: int) -> tuple[int, int]:
    # torchvision's Resize(int): the long side is truncated.
    height, width = size
    if width <= height:
        return int(target * height / width), target
    return target, int(target * width / height)

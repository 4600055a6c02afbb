"""From 8-bit RGB pixels to a model's input tensor: the same function, and the same bits, on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.uint8]
# ITU-R BT.601's 0.299, 0.587, 0.114 in 16 fractional bits, as Pillow's convert("L") has them: they add up to 1.
_LUMA_16 = (19595, 38470, 7471)
# Pixels that are looked up at once: NumPy makes indices of 8 bytes of them, and these stay in a core's cache. A batch
# of 32 images of 224 px takes about half the time that it takes in one piece.
_CACHED = 1 << 16
LUMA = tuple(weight / 65536 for weight in _LUMA_16)


def look_up(
    images: npt.NDArray[np.uint8], table: npt.NDArray[np.float32], *, color: str, layout: str, dtype: str
) -> Tensor:
    """uint8 RGB [N, H, W, 3] -> the input tensor, contiguous: [N, C, H, W], or [N, H, W, C] for the layout "nhwc".

    table: float32 [C, 256], what the values of each channel become, in the model's colour order; rounded to `dtype`.
    color, layout, dtype: as in an input contract.
    """
    count, height, width, _ = images.shape
    cast: Tensor = table.astype(dtype)
    channels = channels_of(images, color)
    nhwc, depth = layout == "nhwc", channels.shape[-1]
    shape = (count, height, width, depth) if nhwc else (count, depth, height, width)
    tensor: Tensor = np.empty(shape, dtype)
    step = max(1, _CACHED // max(1, height * width))
    for start in range(0, count, step):
        part, made = channels[start : start + step], tensor[start : start + step]
        for channel in range(depth):
            out = made[..., channel] if nhwc else made[:, channel]
            np.take(cast[channel], part[..., channel], out=out, mode="clip")
    return tensor


def channels_of(images: npt.NDArray[Any], color: str) -> npt.NDArray[Any]:
    """RGB [N, H, W, 3] -> the model's channels [N, H, W, C], of the same type."""
    if color == "gray":
        return luma(images)
    return images[..., ::-1] if color == "bgr" else images


def luma(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """RGB [..., 3] -> gray [..., 1], the luma of ITU-R BT.601: of uint8 the bits of Pillow's `convert("L")`, of floats
    unrounded. Gray pixels (R = G = B) stay what they are.

    >>> luma(np.array([[255, 0, 0], [90, 90, 90]], np.uint8)).tolist()
    [[76], [90]]
    """
    red, green, blue = (images[..., channel] for channel in range(3))
    if images.dtype == np.uint8:
        summed = np.multiply(red, _LUMA_16[0], dtype=np.uint32)
        summed += np.multiply(green, _LUMA_16[1], dtype=np.uint32)
        summed += np.multiply(blue, _LUMA_16[2], dtype=np.uint32)
        gray: npt.NDArray[Any] = ((summed + (1 << 15)) >> 16).astype(np.uint8)
        return gray[..., None]
    weights = [np.asarray(weight, images.dtype) for weight in LUMA]
    floats: npt.NDArray[Any] = red * weights[0] + green * weights[1] + blue * weights[2]
    return floats[..., None]

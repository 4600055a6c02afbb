"""OpenCV's filters: `cv2.resize`.

`nearest` takes the source pixel floor(x * scale), `nearest-exact` floor((x + 0.5) * scale) as Pillow and PyTorch's
`nearest-exact` do. `linear-exact` is bilinear in an arithmetic that is the same on every machine; `bilinear` is what
OpenCV does unless told otherwise.
"""

from __future__ import annotations

import functools

import cv2

from harness.data.source import Pixels
from harness.pipeline.resizers.kind import Filter


def _resize(interpolation: int, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    resized: Pixels = cv2.resize(  # type: ignore[assignment]  # uint8 in, uint8 out
        pixels, (width, height), interpolation=interpolation
    )
    return resized


FILTERS: dict[str, Filter] = {
    f"opencv-{name}": functools.partial(_resize, interpolation)
    for name, interpolation in (
        ("nearest", cv2.INTER_NEAREST),
        ("nearest-exact", cv2.INTER_NEAREST_EXACT),
        ("bilinear", cv2.INTER_LINEAR),
        ("linear-exact", cv2.INTER_LINEAR_EXACT),
        ("area", cv2.INTER_AREA),
        ("bicubic", cv2.INTER_CUBIC),
        ("lanczos4", cv2.INTER_LANCZOS4),
    )
}

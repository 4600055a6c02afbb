"""OpenCV's filters: `cv2.resize`.

`nearest` takes the source pixel floor(x * scale), `nearest-exact` floor((x + 0.5) * scale) as Pillow and PyTorch's
`nearest-exact` do. `linear-exact` is bilinear in an arithmetic that is the same on every machine; `bilinear` is what
OpenCV does unless told otherwise.

All is OpenCV's own code: Intel's IPP, which its x86 wheels call for `bicubic`, gives other pixels, and others again on
older processors; KleidiCV, which those for Arm call for `bilinear`, gives others too, and that filter is computed in
NumPy there.
"""

from __future__ import annotations

import functools
import platform

import cv2

from seatrial.harness.data.source import Pixels
from seatrial.harness.ipp import without_ipp
from seatrial.harness.pipeline.resizers.kind import Filter
from seatrial.harness.pipeline.resizers.opencv_linear import resize_linear

_IS_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


def _resize(interpolation: int, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    with without_ipp():
        resized: Pixels = cv2.resize(  # type: ignore[assignment]  # uint8 in, uint8 out
            pixels, (width, height), interpolation=interpolation
        )
    return resized


def _bilinear(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return _resize(cv2.INTER_LINEAR, pixels, size) if _IS_X86 else resize_linear(pixels, size)


FILTERS: dict[str, Filter] = {
    f"opencv-{name}": _bilinear if name == "bilinear" else functools.partial(_resize, interpolation)
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

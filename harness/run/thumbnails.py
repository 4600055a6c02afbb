"""Pictures small enough to stand in a report, as data URIs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 144  # px; larger images are reduced to it
_LOSSLESS_SIDE = 64  # what is small stays as it is, pixel by pixel
_BYTES = 20_000  # of one picture; a dozen pairs of them are half a megabyte
_QUALITIES = (90, 75, 60, 40)


def data_uri(pixels: npt.NDArray[Any]) -> str:
    """uint8 [H, W, 3], or floats of the same range -> a PNG where the image is small, else a JPEG, of at most 20 kB."""
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    if max(image.size) <= _LOSSLESS_SIDE:
        return _uri(_encoded(image, "png"), "png")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    content = b""
    for quality in _QUALITIES:
        content = _encoded(image, "jpeg", quality=quality)
        if len(content) <= _BYTES:
            break
    return _uri(content, "jpeg")


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, **options)
    return buffer.getvalue()


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

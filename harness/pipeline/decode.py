"""Encoded files -> uint8 RGB pixels, by the decoder that the contract names.

What comes out is 8-bit RGB of the stored orientation, whatever the file holds; the decoders agree, but for:

| file | pillow | opencv |
|---|---|---|
| grayscale, palette, 1 bit | three equal channels, or the palette's colours | the same |
| alpha, PNG and WebP | dropped | dropped |
| alpha, TIFF | dropped | multiplied into the colours (libtiff's RGBA reader) |
| CMYK JPEG | (255 - ink) (255 - black) / 255, without a colour profile | the same within two levels |
| 16 bits, grayscale | clipped at 255 (`I;16` to `RGB`) | the high byte |
| 16 bits, colour PNG | the high byte | the high byte |

Both wrap libjpeg-turbo: ordinary JPEG files mostly give the same bits. A format that OpenCV does not read is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from harness.data.source import Payload, Pixels
from shipcheck.errors import BadInputError

# Pillow's own border of suspicion, at which it only warns: 89 million pixels.
MAX_PIXELS = 1024 * 1024 * 1024 // 4 // 3

_OPENCV_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# OpenCV logs what it thinks of a damaged file on standard error; it comes as our error, with the file's name.
# (libpng still prints a line of its own.)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(payload: Payload, decoder: str = "pillow") -> Pixels:
    """An encoded image as uint8 RGB [H, W, 3], EXIF orientation ignored; uint8 arrays are passed through.

    decoder: "pillow" or "opencv". Raises BadInputError, naming the file, for one that is damaged, oversized (more than
    `MAX_PIXELS` in the header, which is read before anything is decoded) or of a format the decoder does not read.
    """
    if isinstance(payload.content, np.ndarray):
        return payload.content
    try:
        with Image.open(io.BytesIO(payload.content)) as image:  # reads the header alone
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width}x{image.height}; at most {MAX_PIXELS} are decoded.")
            pixels = _DECODERS[decoder](image, payload.content)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInputError(f"{payload.where} would decode to too many pixels: {error}") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadInputError(
            f"{payload.where} is not an image that decodes ({error}). Repair it or move it away: nothing "
            "is left out silently."
        ) from error
    return pixels


def _with_pillow(image: Image.Image, content: bytes) -> Pixels:
    return np.asarray(image.convert("RGB"))


def _with_opencv(image: Image.Image, content: bytes) -> Pixels:
    found = cv2.imdecode(np.frombuffer(content, np.uint8), _OPENCV_FLAGS)
    if found is None:
        raise ValueError(f"OpenCV does not read this {image.format} file; --decoder pillow may")
    if found.shape[:2] != (image.height, image.width):  # a file that is one thing to one reader, another to the other
        raise ValueError(f"{image.width}x{image.height} by its header, {found.shape[1]}x{found.shape[0]} by OpenCV")
    pixels: Pixels = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]  # uint8 in, uint8 out
    return pixels


_DECODERS: dict[str, Callable[[Image.Image, bytes], Pixels]] = {"pillow": _with_pillow, "opencv": _with_opencv}

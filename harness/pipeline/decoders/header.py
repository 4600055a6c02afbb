"""What an encoded file says of itself, read before anything is decoded: the guard in front of every decoder."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator

from PIL import ExifTags, Image, UnidentifiedImageError

# Pillow's own border of suspicion, at which it only warns: 89 million pixels, 268 MB of RGB.
MAX_PIXELS = 1024 * 1024 * 1024 // 4 // 3
# What image data sets hold, and nothing that needs another program or the system to be drawn: Pillow hands EPS to
# Ghostscript and WMF to Windows. MPO is a JPEG file with more pictures behind the first.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "JPEG2000", "AVIF", "TGA", "PCX")
JPEG = ("JPEG", "MPO")


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[Image.Image]:
    """The file by its content, whatever it is called; of the file only the header is read.

    Raises Image.DecompressionBombError for one of more than `MAX_PIXELS`, ValueError for one that is none of `FORMATS`,
    or whose pixels are no numbers
    with a largest one, and what Pillow raises for a broken header.
    """
    try:
        found = Image.open(io.BytesIO(content), formats=_readable())
    except UnidentifiedImageError as error:
        raise ValueError(f"no header that is understood, of {', '.join(FORMATS)}") from error
    with found as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width}x{image.height}; at most {MAX_PIXELS} are decoded.")
        if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
            raise ValueError(f"its pixels are floats or 32-bit integers, mode {image.mode}: nobody says what is white")
        yield image


@functools.cache
def _readable() -> tuple[str, ...]:
    """Those that this Pillow was built with; MPO comes with JPEG."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def orientation(image: Image.Image) -> int:
    """EXIF's tag 274, 1 to 8; 1 (upright) where there is none, or one that means nothing."""
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1

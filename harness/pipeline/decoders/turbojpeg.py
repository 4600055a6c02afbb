"""libjpeg-turbo's TurboJPEG API, by simplejpeg: the same library as Pillow's and OpenCV's, with its two shortcuts.

`fast_dct`: the less accurate integer inverse DCT (JDCT_IFAST). `fast_upsample`: subsampled chroma is repeated instead
of interpolated (no "fancy upsampling"). Devices take them for speed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.header import JPEG
from seatrial.harness.pipeline.decoders.jpeg import is_whole
from seatrial.harness.pipeline.decoders.pillow import rgb_of
from seatrial.harness.pipeline.decoders.registry import Loaded


def loader(*, fast_dct: bool = False, fast_upsample: bool = False) -> Callable[[], Loaded]:
    """The loader of one combination; it raises ImportError where simplejpeg is not installed."""

    def load() -> Loaded:
        import simplejpeg

        def decode(image: Image.Image, content: bytes) -> Pixels:
            if image.format not in JPEG:
                return np.asarray(rgb_of(image))
            if not is_whole(content):
                raise ValueError("the file ends before the picture does")
            # Not strict: like Pillow, over stray bytes between markers and the like.
            height, width, _, _ = simplejpeg.decode_jpeg_header(content, strict=False)
            if (width, height) != image.size:
                raise ValueError(f"{image.width}x{image.height} by its header, {width}x{height} by libjpeg-turbo")
            pixels: Pixels = simplejpeg.decode_jpeg(
                content, "RGB", fastdct=fast_dct, fastupsample=fast_upsample, strict=False
            )
            return pixels

        return Loaded(simplejpeg.__version__, decode)

    return load

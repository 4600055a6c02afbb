"""FFmpeg's own decoders and swscale, by PyAV: what video pipelines and many boards' media stacks use.

FFmpeg does not wrap libjpeg: its inverse DCT rounds otherwise, and swscale, not the JPEG decoder, enlarges subsampled
chroma. The flag is the `ffmpeg` command's, bicubic, and nothing more (PyAV's own default is bilinear). For 4:2:0 at an
even height swscale repeats chroma without any filter, whatever the flag.

The codec is named by the format that the header showed, and is given the bytes: none of FFmpeg's demuxers and
protocols, which can open other files, sees them.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.header import JPEG, MAX_PIXELS
from seatrial.harness.pipeline.decoders.jpeg import is_whole
from seatrial.harness.pipeline.decoders.registry import Loaded

_CODECS = {
    "JPEG": "mjpeg",
    "MPO": "mjpeg",
    "PNG": "png",
    "WEBP": "webp",
    "BMP": "bmp",
    "PPM": "ppm",
    "TIFF": "tiff",
    "GIF": "gif",
    "JPEG2000": "jpeg2000",
    "TGA": "targa",
    "PCX": "pcx",
}


def load() -> Loaded:
    """Raises ImportError where PyAV is not installed."""
    import av
    from av.video.reformatter import Interpolation

    def decode(image: Image.Image, content: bytes) -> Pixels:
        if image.format not in _CODECS:
            raise ValueError(f"FFmpeg's still-image decoders do not read {image.format}; --decoder pillow may")
        if image.format in JPEG and not is_whole(content):
            raise ValueError("the file ends before the picture does")
        codec = av.CodecContext.create(_CODECS[image.format], "r")
        codec.thread_count = 1  # the pipeline's workers are the parallelism
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        frames = codec.decode(av.Packet(content)) or codec.decode(None)
        if not frames:
            raise ValueError(f"FFmpeg finds no picture in this {image.format} file")
        frame = frames[0]
        pixels: Pixels = frame.to_ndarray(format="rgb24", interpolation=Interpolation.BICUBIC, threads=1)
        return np.ascontiguousarray(pixels)

    return Loaded(f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}", decode)

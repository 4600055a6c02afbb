"""Encoded files -> uint8 RGB pixels, by the decoder that the contract names.

What comes out is 8-bit RGB, whatever the file holds and is called: the content decides. Each decoder gives what a
direct call of its library gives, at full scale (none decodes smaller, as JPEG decoders can), the first picture of
several, of the stored orientation; where the contract says so it is then turned as EXIF asks (by us: some libraries do
it for some formats).

| decoder | library | JPEG |
|---|---|---|
| `pillow` | Pillow | libjpeg-turbo: accurate inverse DCT, interpolated chroma |
| `opencv` | OpenCV | as pillow |
| `ffmpeg` | PyAV | FFmpeg's own; chroma by swscale, as the `ffmpeg` command does it |
| `turbojpeg` | simplejpeg | as pillow |
| `turbojpeg-fast-dct` | simplejpeg | libjpeg-turbo, the fast inverse DCT |
| `turbojpeg-fast-upsample` | simplejpeg | libjpeg-turbo, repeated chroma |
| `turbojpeg-fast` | simplejpeg | libjpeg-turbo, both |
| `torchvision` | torchvision.io, CPU | as pillow |
| `dali` | NVIDIA DALI, CPU | as pillow |
| `nvjpeg` | nvImageCodec, GPU | nvJPEG |

turbojpeg and its variants, and nvjpeg, are JPEG decoders alone: other formats go to pillow, as a device has another
decoder for them, and the lossless ones have one right answer. What another decoder does not read ("no") is refused: a
BadInputError names the file. "1", "2", ... in the row of inks: levels from (255 - ink) (255 - black) / 255, rounded;
there is no colour profile.

| file | pillow | opencv | ffmpeg | torchvision | dali |
|---|---|---|---|---|---|
| grayscale, 1 bit, palette: equal channels, the colours | yes | yes | yes | yes | yes |
| alpha, PNG and WebP | dropped | dropped | dropped | dropped | dropped |
| alpha, TIFF | dropped | multiplied in (a) | dropped | no | dropped |
| CMYK and YCCK JPEG (turbojpeg: 2, its fast DCT more) | 1 | 2 | 4 | 1 | 1 |
| 16 bits, gray PNG | no (b) | high byte | rounded (c) | high byte | rounded (c) |
| 16 bits, gray TIFF | no (b) | high byte | rounded (c) | no | rounded (c) |
| floats, 32 bits | no | no | no | no | no |
| 16 bits, colour PNG | high byte | high byte | rounded (c) | high byte | rounded (c) |
| 12 bits, JPEG | no | no | no | no | no |
| BMP, PPM, TIFF, JPEG 2000 | yes | yes | yes | no | yes |
| GIF, the first of several pictures | yes | yes | yes | no | no |
| WebP, the first of several | yes | yes | no | no | yes |
| APNG, the picture without the animation | yes | yes | yes | yes | yes |
| AVIF | yes | yes | no | no | no |
| TGA, PCX | yes | no | yes | no | no |
| truncated, all formats | no | no | no | no | no |

(a) by libtiff's RGBA reader. (b) its `I;16` to `RGB` cuts off at 255: all but the
darkest would be white. (c) FFmpeg: (value + 128) >> 8, at most 255, in colour within one
level; DALI: value / 257.

Damage that leaves a JPEG file its end marker (flipped bits) is for the library to notice: most decode on and give what
they make of it. EXIF's orientation is read by Pillow, which looks into XMP too where EXIF has none.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from seatrial.errors import BadInputError
from seatrial.harness.data.source import Payload, Pixels
from seatrial.harness.pipeline.decoders import header
from seatrial.harness.pipeline.decoders.header import MAX_PIXELS
from seatrial.harness.pipeline.decoders.orientation import upright
from seatrial.harness.pipeline.decoders.registry import DecoderStatus, available_decoders, load, unavailable
from seatrial.harness.pipeline.picture import Picture, shape_of

__all__ = ["MAX_PIXELS", "DecoderStatus", "available_decoders", "decode", "picture_of", "unavailable"]


def decode(payload: Payload, decoder: str = "pillow", orientation: str = "ignore") -> Pixels:
    """An encoded image as uint8 RGB [H, W, 3]; uint8 arrays are passed through. Raises as `picture_of`."""
    return np.asarray(picture_of(payload, decoder, orientation))


def picture_of(payload: Payload, decoder: str = "pillow", orientation: str = "ignore") -> Picture:
    """An encoded image as its decoder leaves it: uint8 RGB [H, W, 3], or Pillow's own image of mode RGB, which one of
    Pillow's filters then takes without a copy to an array and back (0.3 of 2.5 ms for a photograph of ImageNet).

    decoder: one of `DECODERS`. orientation: "ignore" (as stored) or "apply" (turned as EXIF's tag 274 asks). Raises
    BadInputError, naming the file, for one that is damaged, oversized (more than `MAX_PIXELS` in the header, which is
    read before anything is decoded) or of a format the decoder does not read; UnsupportedError, with the install line,
    for a decoder that this machine does not have.
    """
    if isinstance(payload.content, np.ndarray):
        return payload.content
    library = load(decoder)
    try:
        with header.opened(payload.content) as image:
            width, height = image.size
            turn = header.orientation(image) if orientation == "apply" else 1
            picture = library.decode(image, payload.content)
            shape = shape_of(picture)
            if shape != (height, width, 3):  # a file that is one thing to one reader, another to the other
                raise ValueError(f"{width}x{height} by its header, of shape {list(shape)} by {decoder}")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInputError(f"{payload.where} would decode to too many pixels: {error}") from error
    except Exception as error:  # the decoders raise OSError, SyntaxError, ValueError, RuntimeError, struct.error, ...
        raise BadInputError(
            f"{payload.where} is not an image that decodes ({error}). Repair it or move it away: nothing "
            "is left out silently."
        ) from error
    return picture if turn == 1 else upright(np.asarray(picture), turn)

"""The reference input pipeline: what the contract says, by Pillow, from an encoded file to uint8 RGB at the model's
size.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from exporters.contract import InputContract
from harness.data.source import Payload, Pixels
from shipcheck.errors import BadInputError

_FILTERS = {
    "pillow-nearest": Image.Resampling.NEAREST,
    "pillow-box": Image.Resampling.BOX,
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-hamming": Image.Resampling.HAMMING,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-lanczos": Image.Resampling.LANCZOS,
}


# Pillow's own border of suspicion, at which it only warns: 89 million pixels.
MAX_PIXELS = 1024 * 1024 * 1024 // 4 // 3


def model_pixels(payload: Payload, contract: InputContract) -> Pixels:
    """Decodes, resizes and crops one image: uint8 [height, width, 3], RGB.

    Raises BadInputError, naming the file, for one that does not decode whole or does not fit the contract.
    """
    image = Image.fromarray(payload.content) if isinstance(payload.content, np.ndarray) else decode(payload)
    return np.asarray(to_size(image, contract, payload.where))


def decode(payload: Payload) -> Image.Image:
    """An encoded image as Pillow's RGB, EXIF orientation ignored; BadInputError where it is damaged or oversized."""
    assert isinstance(payload.content, bytes)
    try:
        with Image.open(io.BytesIO(payload.content)) as image:
            if image.width * image.height > MAX_PIXELS:  # known from the header, before anything is decoded
                raise Image.DecompressionBombError(f"{image.width}x{image.height}; at most {MAX_PIXELS} are decoded.")
            return image.convert("RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInputError(f"{payload.where} would decode to too many pixels: {error}") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadInputError(
            f"{payload.where} is not an image that decodes ({error}). Repair it or move it away: nothing "
            "is left out silently."
        ) from error


def to_size(image: Image.Image, contract: InputContract, where: str) -> Image.Image:
    """Resize and centre crop by the contract's rule; BadInputError where the rule is "none" and the size differs."""
    height, width = contract.size
    resample = _FILTERS[contract.interpolation]
    if contract.resize == "exact":
        return image.resize((width, height), resample)
    if contract.resize == "short-side":
        assert contract.resize_to is not None
        image = image.resize(_short_side(image.size, contract.resize_to), resample)
        # torchvision's CenterCrop: the offset is rounded half to even.
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))
    if image.size != (width, height):
        raise BadInputError(
            f"{where} is {image.width}x{image.height} px, the model takes {width}x{height} and the "
            "contract does not resize. "
            f"Name a rule: --resize {height}x{width} (both sides) or --resize N --crop {height} (short "
            "side, centre crop)."
        )
    return image


def _short_side(size: tuple[int, int], target: int) -> tuple[int, int]:
    # torchvision's Resize(int): the long side is truncated.
    width, height = size
    if width <= height:
        return target, int(target * height / width)
    return int(target * width / height), target

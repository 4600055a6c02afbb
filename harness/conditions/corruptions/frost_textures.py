"""The five frost textures: photographs from a folder where the user has them, otherwise ours, rendered by
`frost_rendered`.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from seatrial.errors import BadInputError
from seatrial.files import file_digest, read_bytes
from seatrial.harness.conditions.corruptions.registry import Pixels

FROST_VARIABLE = "SEATRIAL_FROST_TEXTURES"
# ImageNet-C's files. Its code draws one of the first five; the sixth is never used.
FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
_MAX_BYTES = 64 << 20


_chosen: contextvars.ContextVar[Path | None] = contextvars.ContextVar("frost_textures", default=None)


@contextlib.contextmanager
def using_frost_textures(folder: Path | None) -> Iterator[None]:
    """Within it, frost takes its textures from `folder`; None leaves the choice to SEATRIAL_FROST_TEXTURES."""
    token = _chosen.set(folder)
    try:
        yield
    finally:
        _chosen.reset(token)


def texture_folder() -> Path | None:
    """The folder of ImageNet-C's frost photographs, None where the rendered textures are to be used."""
    variable = os.environ.get(FROST_VARIABLE)
    return _chosen.get() or (Path(variable) if variable else None)


def describe_textures() -> str:
    """Which textures are used: "rendered", or a hash of the five photographs. BadInputError where one is missing."""
    folder = texture_folder()
    if folder is None:
        return "rendered"
    for index in range(len(FILES)):
        _texture(folder, index, 1.0)
    return "photographs " + "+".join(file_digest(folder / name)[:8] for name in FILES)


def random_crop(height: int, width: int, shrink: float, rng: np.random.Generator) -> Pixels:
    """A random part of a random texture, shrunk first: uint8 [height, width, 3], RGB."""
    texture = _texture(texture_folder(), int(rng.integers(len(FILES))), shrink)
    short = min(texture.shape[0] - height, texture.shape[1] - width)
    if short <= 0:  # an image larger than the texture gets an enlarged one
        factor = max((height + 1) / texture.shape[0], (width + 1) / texture.shape[1])
        texture = _resized(texture, factor)
    top = int(rng.integers(max(1, texture.shape[0] - height)))
    left = int(rng.integers(max(1, texture.shape[1] - width)))
    return np.asarray(texture[top : top + height, left : left + width])


@functools.lru_cache(maxsize=3 * len(FILES))
def _texture(folder: Path | None, index: int, shrink: float) -> Pixels:
    texture = rendered_texture(index) if folder is None else _photograph(folder / FILES[index])
    if shrink != 1.0:
        texture = _resized(texture, shrink)
    return texture


def _resized(texture: Pixels, factor: float) -> Pixels:
    # In whole numbers: OpenCV's other linear filter is not the same on every processor.
    return np.asarray(cv2.resize(texture, (0, 0), fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


@functools.cache
def rendered_texture(index: int) -> Pixels:
    """Our texture of that index, 0 to 4: uint8 [H, W, 3], RGB, read-only. IndexError for another index."""
    if not 0 <= index < len(FILES):
        raise IndexError(f"there is no frost texture {index}")
    with Image.open(texture_file(index)) as image:
        texture = np.array(image)
    texture.flags.writeable = False
    return texture


def texture_file(index: int) -> Path:
    """Where our texture of that index lies."""
    return Path(__file__).parent / "frost" / f"{index}.webp"


def _photograph(path: Path) -> Pixels:
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise BadInputError(f"There is no frost photograph {path}; the folder must hold {', '.join(FILES)}.")
    decoded = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise BadInputError(f"The frost photograph {path} does not decode.")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))

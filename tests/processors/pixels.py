"""Everything that makes pixels, as digests: what must be the same on every processor.

    python tests/processors/pixels.py whole > tests/processors/pixels.json    the digests that the tests compare with
    python tests/processors/pixels.py few                                     some of them, for emulated processors

Needs NumPy, OpenCV and Pillow: it runs on a board that has no more. All the pixels include PyTorch's filters where
PyTorch is installed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
DIGESTS = Path(__file__).parent / "pixels.json"
SCALES = (32, 64, 224)
SEVERITIES = (1, 2, 3, 4, 5)
# What is taken of a side, down and across: more, less, one of each, a half, a few pixels.
SIZES = ((1.5, 1.75), (0.6, 0.4), (0.4, 1.3), (0.5, 0.5), (0.15, 0.2))


def images(side: int) -> list[np.ndarray]:
    """uint8 [side, side, 3]: smooth colours with noise and flat areas upon them; noise of all levels; one gray."""
    rng = np.random.Generator(np.random.SFC64(side))
    coarse = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
    photograph = np.clip(smooth + rng.integers(-9, 10, (side, side, 1)), 0, 255).astype(np.uint8)
    photograph[: side // 4, : side // 3] = 255
    photograph[-side // 5 :, -side // 4 :] = (10, 0, 130)
    photograph[side // 2 : side // 2 + 3] = 0
    noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return [photograph, noise, np.repeat(photograph[:, :, 1:2], 3, axis=2)]


def outputs(*, few: bool) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yields (name, pixels of every image)."""
    corruptions, colors, resizers, textures = _parts()
    for side in (32, 224) if few else SCALES:
        inputs = images(side)
        yield f"input/{side}", inputs
        for name in corruptions.names():
            for severity in SEVERITIES:
                if few and (severity, side) != (3, 32) and (name, severity, side) not in FEW_LARGE:
                    continue
                seed = zlib.crc32(f"{name}@{severity}/{side}".encode())
                rng = np.random.Generator(np.random.SFC64(seed))
                found = [corruptions.corrupt(image, name, severity, rng=rng, scale=side) for image in inputs]
                yield f"corruption/{name}@{severity}/{side}", found
        if few and side == 224:
            continue
        for name, change in colors.COLORS.items():
            yield f"color/{name}/{side}", [change(image) for image in inputs]
        for name, resize in resizers.FILTERS.items():
            if resizers.unavailable(name) is None and not (few and name.startswith("torch")):
                sizes = [(max(1, int(side * down)), max(1, int(side * across))) for down, across in SIZES]
                yield f"resize/{name}/{side}", [resize(image, size) for image in inputs for size in sizes]
    if not few:
        yield "frost/textures", [textures.rendered_texture(index) for index in range(5)]


# At full size, what filters and interpolates.
FEW_LARGE = {
    (name, severity, 224)
    for name, severity in (
        *(("defocus_blur", 3), ("gaussian_blur", 3), ("glass_blur", 1), ("zoom_blur", 1), ("motion_blur", 3)),
        *(("elastic_transform", 2), ("snow", 3), ("fog", 3), ("spatter", 3), ("spatter", 4)),
    )
}


def digests(*, few: bool) -> dict[str, str]:
    """Name -> the first 16 digits of a SHA-256, of images of one kind."""
    return {name: _digest(found) for name, found in outputs(few=few)}


def _digest(found: Iterable[np.ndarray]) -> str:
    total = hashlib.sha256()
    for pixels in found:
        assert pixels.dtype == np.uint8
        total.update(repr(pixels.shape).encode())
        total.update(np.ascontiguousarray(pixels).tobytes())
    return total.hexdigest()[:16]


def _parts() -> tuple[types.ModuleType, ...]:
    import seatrial.harness.conditions.corruptions as corruptions
    import seatrial.harness.pipeline.color as color
    from seatrial.harness.conditions.corruptions import frost_textures
    from seatrial.harness.pipeline import resizers

    return corruptions, color, resizers, frost_textures


def _without_what_pixels_do_not_need() -> None:
    # These packages import runtimes and file formats, whose wheels are many and whose import takes an emulated
    # processor a minute; the modules below them that make pixels need neither.
    rooms = ("", ".conditions", ".pipeline", ".data")
    for name in (f"seatrial.harness{room}" for room in rooms):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT.joinpath(*name.split(".")))]
        sys.modules[name] = package
    source = types.ModuleType("seatrial.harness.data.source")
    source.Pixels = np.ndarray  # type: ignore[attr-defined]
    sys.modules["seatrial.harness.data.source"] = source


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    _without_what_pixels_do_not_need()
    print(json.dumps(digests(few=sys.argv[1:] == ["few"]), indent=1))

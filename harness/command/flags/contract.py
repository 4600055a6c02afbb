"""The input contract's flags: ContractOptions."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.contract import CROP_OFFSETS, DECODERS, INTERPOLATIONS, ORIENTATIONS
from seatrial.exporters.presets import PRESETS
from seatrial.harness.command.flags.parser import Given, replaced

_PIXELS = re.compile(r"[0-9]{1,9}")
_AS_GIVEN = ("preset", "interpolation", "decoder", "divisor", "color", "crop_offset", "pad_value", "orientation")


def add(parser: argparse.ArgumentParser) -> None:
    """A group of them."""
    group = parser.add_argument_group("input contract", "how an image becomes the input, where the model does not say")
    group.add_argument("--preset", metavar="NAME", help=", ".join(PRESETS))
    group.add_argument("--size", metavar="S", help="the model's input: N or HxW; alone: straight to that size")
    group.add_argument(
        "--resize",
        metavar="R",
        help="N: short side to N px, then --crop; HxW or exact: both sides (NxN with --crop: then cropped); letterbox: "
        "to fit, padded; none",
    )
    group.add_argument("--crop", metavar="S", help="centre crop after --resize N: N or HxW")
    group.add_argument(
        "--crop-offset", metavar="NAME", help=f"half a pixel of the crop's offset: {', '.join(CROP_OFFSETS)}"
    )
    group.add_argument("--pad-value", type=int, metavar="N", help="grey of a letterbox, 0 to 255 (114, unless given)")
    group.add_argument("--interpolation", metavar="NAME", help=f"of the resize: {', '.join(INTERPOLATIONS)}")
    group.add_argument("--decoder", metavar="NAME", help=f"of encoded images: {', '.join(DECODERS)}")
    group.add_argument("--orientation", metavar="NAME", help=f"EXIF's, of encoded images: {', '.join(ORIENTATIONS)}")
    group.add_argument("--divisor", type=float, metavar="X", help="what pixels are divided by (255, unless given)")
    group.add_argument("--mean", nargs="+", metavar="X", help="per channel, after the division: three numbers, or one")
    group.add_argument("--std", nargs="+", metavar="X", help="likewise")
    group.add_argument("--color", metavar="ORDER", help="rgb or bgr, as the model expects it; gray for one channel")


def take(given: Given, base: ContractOptions) -> ContractOptions:
    """The part; UsageError for what is no size or number."""
    for name in ("size", "crop"):
        if name in given:
            given[name] = _size(f"--{name}", given[name])
    if "resize" in given:
        given["resize"] = _resize(given["resize"])
    for name in ("mean", "std"):
        if name in given:
            given[name] = _triple(f"--{name}", given[name])
    return replaced(base, given, {name: name for name in (*_AS_GIVEN, "size", "crop", "resize", "mean", "std")})


def _size(flag: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(_PIXELS.fullmatch(part) for part in parts):
        raise UsageError(f"{flag} {text!r} is no size: give N or HxW in pixels, as in 224 or 224x320.")
    height, width = int(parts[0]), int(parts[-1])
    return height, width


def _resize(text: str | None) -> str | int | tuple[int, int] | None:
    if text is None or text == "none":
        return text
    if text in ("exact", "letterbox"):
        return text
    size = _size("--resize", text)
    assert size is not None
    return size if "x" in text.lower() else size[0]


def _triple(flag: str, words: Sequence[str] | None) -> tuple[float, float, float] | None:
    if words is None:
        return None
    try:
        numbers = [float(word) for text in words for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise UsageError(f"{flag} takes three numbers (or one for all channels), not {' '.join(words)!r}.")
    return numbers[0], numbers[1], numbers[2]

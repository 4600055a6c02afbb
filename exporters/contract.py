"""The input contract: how an image becomes the model's input. Data, not code; it travels in the ONNX file's metadata.

The image side (decode, resize, crop) ends in uint8 RGB at the model's size; the number side (colour order, scale,
normalise, layout) turns that into the tensor the engine takes. Both are hashed into every result.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial import pixels
from seatrial.errors import BadInputError, UsageError
from seatrial.text import choices

# Of the numbers that pixels are divided by and that are taken off: what comes of them is a float32.
_MOST = 1e9
CONTRACT_KEY = "seatrial.contract"
CLASSES_KEY = "seatrial.classes"
SCHEMA = 1

RESIZE_RULES = ("none", "exact", "short-side", "squash-crop", "letterbox")
CROP_OFFSETS = ("half-even", "down", "up")
ORDERS = ("rgb", "bgr")
COLORS = (*ORDERS, "gray")
LAYOUTS = ("nchw", "nhwc")
DTYPES = ("float32", "float16", "uint8")
DECODERS = (
    "pillow",
    "opencv",
    "ffmpeg",
    "turbojpeg",
    "turbojpeg-fast-dct",
    "turbojpeg-fast-upsample",
    "turbojpeg-fast",
    "torchvision",
    "dali",
    "nvjpeg",
)
ORIENTATIONS = ("ignore", "apply")
INTERPOLATIONS = (
    "pillow-nearest",
    "pillow-box",
    "pillow-bilinear",
    "pillow-hamming",
    "pillow-bicubic",
    "pillow-lanczos",
    "opencv-nearest",
    "opencv-nearest-exact",
    "opencv-bilinear",
    "opencv-linear-exact",
    "opencv-area",
    "opencv-bicubic",
    "opencv-lanczos4",
    "torch-nearest",
    "torch-nearest-exact",
    "torch-bilinear",
    "torch-bilinear-antialias",
    "torch-bicubic",
    "torch-bicubic-antialias",
)

Size = tuple[int, int]
Channels = tuple[float, ...]
Tensor = pixels.Tensor


@dataclasses.dataclass(frozen=True)
class InputContract:
    """How an encoded image or a uint8 RGB array becomes the model's input.

    size: (height, width) of the model's input in pixels.
    resize: "none" (the image has the size already), "exact" (both sides to `size`, aspect ratio not kept),
        "short-side" (short side to `resize_to` pixels, long side truncated to an integer, then a centre crop of
        `size`: torchvision's Resize(int) and CenterCrop), "squash-crop" (both sides to `resize_to` pixels, aspect
        ratio not kept, then the centre crop: SysNoise's ImageNet transform) or "letterbox" (scaled to fit into `size`,
        aspect ratio kept, and centred on the grey of `pad_value`: Ultralytics' LetterBox).
    interpolation: library and filter of the resize. decoder: library that decodes. orientation: whether EXIF's
        orientation is ignored or applied to what was decoded.
    color: channel order that the model expects; "gray" for one channel, the luma of ITU-R BT.601 (`pixels.luma`).
    divisor: what the uint8 values are divided by, usually 255.
    mean, std: per channel, in the model's colour order, after scaling: x = (value / divisor - mean) / std. Equal ones
        of three channels become one where the color is "gray", one becomes three elsewhere.
    layout, dtype: of the tensor. A uint8 tensor holds the pixels as they are: divisor 1, mean 0, std 1.
    crop_offset: how half a pixel of the centre crop's offset is rounded: "half-even" (torchvision, Python's round),
        "down" (integer division, as most C code has it) or "up".
    pad_value: 0 to 255, all three channels of what a letterbox leaves free.
    """

    size: Size
    resize: str = "none"
    resize_to: int | None = None
    interpolation: str = "pillow-bilinear"
    decoder: str = "pillow"
    color: str = "rgb"
    divisor: float = 255.0
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    layout: str = "nchw"
    dtype: str = "float32"
    crop_offset: str = "half-even"
    pad_value: int = 114
    orientation: str = "ignore"

    def __post_init__(self) -> None:
        """Raises UsageError for values that no image can follow."""
        _one_of("resize rule", self.resize, RESIZE_RULES)
        _one_of("interpolation", self.interpolation, INTERPOLATIONS)
        _one_of("decoder", self.decoder, DECODERS)
        _one_of("orientation", self.orientation, ORIENTATIONS)
        _one_of("color order", self.color, COLORS)
        _one_of("layout", self.layout, LAYOUTS)
        _one_of("input dtype", self.dtype, DTYPES)
        _one_of("crop offset", self.crop_offset, CROP_OFFSETS)
        if not 0 <= self.pad_value <= 255:
            raise UsageError(f"The pad value {self.pad_value} is outside 0..255.")
        if min(self.size) < 1 or max(self.size) > 8192:
            raise UsageError(f"The input size {self.size} is outside 1..8192 pixels.")
        if self.crops != (self.resize_to is not None):
            raise UsageError(
                "The rules short-side and squash-crop need `resize_to` (pixels), and no other rule takes it."
            )
        if self.resize_to is not None and not max(self.size) <= self.resize_to <= 16384:
            raise UsageError(
                f"A side of {self.resize_to} px cannot be cropped to {self.size[0]}x{self.size[1]}: "
                "make --resize at least as large as --crop."
            )
        for name in ("mean", "std"):
            object.__setattr__(self, name, self._per_channel(name))
        numbers = (self.divisor, *self.mean, *self.std)
        if not all(math.isfinite(number) for number in numbers) or self.divisor <= 0 or min(self.std) <= 0:
            raise UsageError("Divisor, mean and std must be finite, divisor and std above zero.")
        if max(map(abs, numbers)) > _MOST or min(self.divisor, *self.std) < 1 / _MOST:
            raise UsageError(
                f"Divisor, mean and std must be at most {_MOST:g}, divisor and std at least {1 / _MOST:g}."
            )
        if self.dtype == "uint8" and not self.takes_raw_pixels:
            raise UsageError(
                "A uint8 input takes the pixels as they are: divisor 1, mean 0, std 1. What scaling there is "
                "lies in the graph."
            )

    def _per_channel(self, name: str) -> Channels:
        values: Channels = getattr(self, name)
        if len(values) == 1 or (self.color == "gray" and len(set(values)) == 1):
            return values[:1] * self.channels
        if len(values) != self.channels:
            spelled = " ".join(f"{value:g}" for value in values)
            raise UsageError(
                f"One channel (gray) takes one {name}, not {spelled}. Give --mean and --std of one number each, such "
                f"as the average, {sum(values) / len(values):.3g}."
                if self.color == "gray"
                else f"Three channels take three values of {name} or one, not {len(values)}."
            )
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the schema number included."""
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}
        return {"schema": SCHEMA, **fields}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> InputContract:
        """The inverse of `to_dict`; BadInputError for another schema, unknown keys or wrong types."""
        fields = dict(value)
        schema = fields.pop("schema", None)
        if schema != SCHEMA:
            raise BadInputError(f"The input contract has the schema {schema!r}; this seatrial reads {SCHEMA}.")
        try:
            fields["size"] = _integers(fields["size"], 2)
            for name in ("mean", "std"):
                fields[name] = _floats(fields[name], 1 if fields.get("color") == "gray" else 3)
            if fields.get("resize_to") is not None:
                fields["resize_to"] = _integers([fields["resize_to"]], 1)[0]
            if "pad_value" in fields:
                fields["pad_value"] = _integers([fields["pad_value"]], 1)[0]
            fields["divisor"] = _floats([fields["divisor"]], 1)[0]
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"The input contract is malformed: {error!r}.") from error
        except UsageError as error:
            raise BadInputError(f"The input contract is malformed: {error}") from error

    def image_side(self) -> dict[str, Any]:
        """The part that decides the uint8 RGB pixels, and nothing of the numbers that follow."""
        names = ("size", "resize", "resize_to", "crop_offset", "pad_value", "interpolation", "decoder", "orientation")
        return {name: value for name, value in self.to_dict().items() if name in names}

    @property
    def crops(self) -> bool:
        """True for the rules that end in a centre crop."""
        return self.resize in ("short-side", "squash-crop")

    @property
    def takes_raw_pixels(self) -> bool:
        """True where the tensor's values are the 8-bit pixels' own."""
        return self.divisor == 1 and not any(self.mean) and set(self.std) == {1.0}

    @property
    def channels(self) -> int:
        """Of the tensor: 3, or 1 where the color is "gray"."""
        return 1 if self.color == "gray" else 3

    @property
    def values(self) -> int:
        """How many an image has at the model's size."""
        return self.channels * self.size[0] * self.size[1]

    @property
    def tensor_shape(self) -> tuple[int, int, int]:
        """One image's part of the tensor: (C, H, W) or (H, W, C), by the layout."""
        return self.tensor_shape_of(*self.size)

    def normalise(self, images: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> Tensor:
        """uint8 RGB [N, H, W, 3] at the model's size -> the model's input tensor, contiguous: [N, C, H, W], or
        [N, H, W, C] for the layout "nhwc", of the contract's dtype; C is `channels`.

        float32 pixels in 0 to 255, which no device gets but a simulation may ask about, are taken likewise; ValueError
        for them where the input is uint8.

        Element by element the float32 arithmetic of torchvision's ToTensor and Normalize, then rounded to the dtype:
        every image's numbers are the same in any batch. The same bits as `look_up` of `value_table`, but faster.
        """
        if images.dtype != np.uint8 and self.dtype == "uint8":
            raise ValueError("a uint8 input takes 8-bit pixels alone")
        count, height, width, _ = images.shape
        nhwc = self.layout == "nhwc"
        channels = pixels.channels_of(images, self.color)
        tensor: Tensor = np.empty((count, *self.tensor_shape_of(height, width)), self.dtype)
        plane = np.empty((height, width), np.float32)  # one at a time stays in the processor's cache
        for index, channel in np.ndindex(count, self.channels):
            np.copyto(plane, channels[index, ..., channel])
            plane /= np.float32(self.divisor)
            plane -= np.float32(self.mean[channel])
            plane /= np.float32(self.std[channel])
            out = tensor[index, ..., channel] if nhwc else tensor[index, channel]
            np.copyto(out, plane, casting="unsafe")
        return tensor

    def value_table(self) -> npt.NDArray[np.float32]:
        """What the 256 values of each channel become, in the model's colour order: float32 [C, 256], before the cast to
        the contract's dtype. The float32 arithmetic of torchvision's ToTensor and Normalize.
        """
        values = np.arange(256, dtype=np.float32) / np.float32(self.divisor)
        mean, std = np.array([self.mean, self.std], np.float32)[..., None]
        table: npt.NDArray[np.float32] = (values - mean) / std
        return table

    def look_up(self, images: npt.NDArray[np.uint8], table: npt.NDArray[np.float32]) -> Tensor:
        """`normalise` with another table, float32 [C, 256], rounded to the contract's dtype."""
        return pixels.look_up(images, table, color=self.color, layout=self.layout, dtype=self.dtype)

    def tensor_shape_of(self, height: int, width: int) -> tuple[int, int, int]:
        """`tensor_shape` for an image of another size."""
        return (height, width, self.channels) if self.layout == "nhwc" else (self.channels, height, width)


def embed(model: onnx.ModelProto, contract: InputContract, class_names: Sequence[str]) -> None:
    """Writes contract and class names into the model's metadata, in place of what may stand there."""
    values = {CONTRACT_KEY: json.dumps(contract.to_dict()), CLASSES_KEY: json.dumps(list(class_names))}
    kept = [entry for entry in model.metadata_props if entry.key not in values]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    for key, text in values.items():
        model.metadata_props.add(key=key, value=text)


def read_contract(model: onnx.ModelProto) -> InputContract | None:
    """The contract in the model's metadata, None where there is none, BadInputError where it is malformed."""
    value = _metadata(model, CONTRACT_KEY)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadInputError(f"The metadata {CONTRACT_KEY} is not a JSON object.")
    return InputContract.from_dict(value)


def read_class_names(model: onnx.ModelProto) -> tuple[str, ...] | None:
    """The class names in the model's metadata in the order of its outputs, None where there are none."""
    value = _metadata(model, CLASSES_KEY)
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadInputError(f"The metadata {CLASSES_KEY} is not a JSON list of strings.")
    return tuple(value)


def _metadata(model: onnx.ModelProto, key: str) -> Any:
    for entry in model.metadata_props:
        if entry.key == key:
            try:
                return json.loads(entry.value)
            except (ValueError, RecursionError) as error:
                raise BadInputError(f"The metadata {key} of the model is not JSON: {error}.") from error
    return None


def _one_of(what: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"Unknown {what} {value!r}. {choices(value, known)}")


def _integers(values: Any, count: int) -> Any:
    if len(values) != count or not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ValueError(f"expected {count} integers, got {values!r}")
    return tuple(values)


def _floats(values: Any, count: int) -> Any:
    if len(values) != count or not all(isinstance(value, (int, float)) for value in values):
        raise ValueError(f"expected {count} numbers, got {values!r}")
    return tuple(float(value) for value in values)

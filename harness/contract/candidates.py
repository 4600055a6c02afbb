"""What a model may want to be fed: the values in use of every factor of the input contract, with their sources.

Within a factor, the values stand in the order of custom, the most widely used first: of several that the images cannot
tell apart, the first is named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from seatrial.exporters.contract import ORDERS, Channels, InputContract


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Scaling and normalisation, x = (value / divisor - mean) / std; mean and std of red, green, blue.

    source: who feeds models like this.
    """

    name: str
    divisor: float
    mean: Channels
    std: Channels
    source: str


_ZERO, _ONE, _HALF = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)

NUMBERS = (
    Numbers(
        "ImageNet",
        255.0,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        "torchvision's weights, most of timm; Keras's mode 'torch'; akamaster/pytorch_resnet_cifar10",
    ),
    Numbers("-1..1", 255.0, _HALF, _HALF, "TensorFlow's Inception, MobileNet; Keras's mode 'tf'; timm's *_inception"),
    Numbers("0..1", 255.0, _ZERO, _ONE, "ToTensor alone; TF Hub's common image input; YOLO classifiers"),
    Numbers("0..255", 1.0, _ZERO, _ONE, "Keras's EfficientNet and MobileNetV3, whose graphs rescale"),
    Numbers("Caffe", 1.0, (123.68, 116.779, 103.939), _ONE, "Caffe's VGG and ResNet (BGR); Keras's mode 'caffe'"),
    Numbers("Caffe * 0.017", 1.0, (123.68, 116.78, 103.94), (1 / 0.017,) * 3, "shicai/MobileNet-Caffe, DenseNet-Caffe"),
    Numbers("127/128", 1.0, (127.0,) * 3, (128.0,) * 3, "EfficientNet-Lite; TFLite's metadata of quantized models"),
    Numbers(
        "CLIP",
        255.0,
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
        "openai/CLIP, open_clip, SigLIP-era timm fine-tunings",
    ),
    Numbers(
        "CIFAR-10",
        255.0,
        (0.4914, 0.4822, 0.4465),
        (0.2470, 0.2435, 0.2616),
        "of all pixels of the training set",
    ),
    Numbers(
        "CIFAR-10 (std of means)",
        255.0,
        (0.4914, 0.4822, 0.4465),
        (0.2023, 0.1994, 0.2010),
        "kuangliu/pytorch-cifar: the std is averaged over images",
    ),
    Numbers(
        "CIFAR-100",
        255.0,
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
        "weiaicunzai/pytorch-cifar100",
    ),
    Numbers(
        "GTSRB",
        255.0,
        (0.3403, 0.3121, 0.3214),
        (0.2724, 0.2608, 0.2669),
        "the usual Normalize of PyTorch traffic-sign classifiers",
    ),
    Numbers("MNIST", 255.0, (0.1307,) * 3, (0.3081,) * 3, "pytorch/examples, for digits drawn in colour"),
)

# Share of the resized short side that the crop keeps: torchvision's first weights (256 -> 224), a straight short-side
# resize (CLIP), torchvision's second weights (232 -> 224), most of timm's vision transformers.
CROP_SHARES = (0.875, 1.0, 224 / 232, 0.9)
# Below this, straight to the size comes first: thumbnails (traffic signs, faces, CIFAR) are not cropped.
_PHOTOGRAPH_PX = 128

FILTERS = (
    "pillow-bilinear",
    "pillow-bicubic",
    "opencv-bilinear",
    "opencv-area",
    "opencv-bicubic",
    "pillow-nearest",
    "opencv-nearest",
    "pillow-lanczos",
)


def numbers_and_colors(side: InputContract, declared: InputContract | None) -> list[InputContract]:
    """Every scaling in both colour orders on one image side, the declared one among them; colour alone for uint8. Gray
    images have no order: of three channels' mean and std, they take the averages.
    """
    own = [] if declared is None else [with_numbers(side, declared)]
    colors = ("gray",) if side.color == "gray" else ORDERS
    if side.dtype == "uint8":
        return merged([*own, *(dataclasses.replace(side, color=color) for color in colors)])
    return merged([*own, *(_scaled(side, numbers, color) for numbers in NUMBERS for color in colors)])


def _scaled(side: InputContract, numbers: Numbers, color: str) -> InputContract:
    mean, std = numbers.mean, numbers.std
    if color == "bgr":
        mean, std = mean[::-1], std[::-1]
    elif color == "gray":
        mean, std = (_average(mean),), (_average(std),)
    return dataclasses.replace(side, color=color, divisor=numbers.divisor, mean=mean, std=std)


def _average(values: Channels) -> float:
    # Of equal ones the value itself, without a sum's rounding.
    return values[0] if len(set(values)) == 1 else round(sum(values) / len(values), 6)


def resize_rules(base: InputContract, declared: InputContract | None, *, resizes: bool) -> list[InputContract]:
    """The base under every resize rule, the declared one among them; `none` alone where nothing needs resizing."""
    own = [] if declared is None else [with_rule(base, declared)]
    if not resizes:
        return merged([*own, dataclasses.replace(base, resize="none", resize_to=None)])
    short = [dataclasses.replace(base, resize="short-side", resize_to=int(max(base.size) / s)) for s in CROP_SHARES]
    exact = dataclasses.replace(base, resize="exact", resize_to=None)
    return merged([*own, *([exact, *short] if max(base.size) < _PHOTOGRAPH_PX else [*short, exact])])


def readers(
    base: InputContract, declared: InputContract | None, *, resizes: bool, decoders: Sequence[str]
) -> list[InputContract]:
    """The base with every filter and decoder; one filter where nothing is resized, one decoder where all agree."""
    own = [] if declared is None else [with_reader(base, declared)]
    filters = FILTERS if resizes else (base.interpolation,)
    return merged(
        [
            *own,
            *(
                dataclasses.replace(base, interpolation=interpolation, decoder=decoder)
                for interpolation in filters
                for decoder in decoders
            ),
        ]
    )


def customary(shape: InputContract, *, resizes: bool) -> InputContract:
    """The image side on which scalings are compared: what is most used at the size. shape: whose size, layout, dtype
    and number of channels are the model's.
    """
    raw = shape.dtype == "uint8"
    color = "gray" if shape.color == "gray" else "rgb"
    base = InputContract(shape.size, layout=shape.layout, dtype=shape.dtype, divisor=1.0 if raw else 255.0, color=color)
    return resize_rules(base, None, resizes=resizes)[0]


def with_numbers(base: InputContract, other: InputContract) -> InputContract:
    """The base with the other's colour order and numbers."""
    return dataclasses.replace(base, color=other.color, divisor=other.divisor, mean=other.mean, std=other.std)


def with_rule(base: InputContract, other: InputContract) -> InputContract:
    """The base with the other's resize rule, and what belongs to it."""
    plain = InputContract(base.size)
    return dataclasses.replace(
        base,
        resize=other.resize,
        resize_to=other.resize_to,
        crop_offset=other.crop_offset if other.crops else plain.crop_offset,
        pad_value=other.pad_value if other.resize == "letterbox" else plain.pad_value,
    )


def with_reader(base: InputContract, other: InputContract) -> InputContract:
    """The base with the other's interpolation and decoder."""
    return dataclasses.replace(base, interpolation=other.interpolation, decoder=other.decoder)


def with_color(base: InputContract, color: str) -> InputContract:
    """The base in a colour order, each mean and std still that of its channel."""
    if base.color == color:
        return base
    return dataclasses.replace(base, color=color, mean=base.mean[::-1], std=base.std[::-1])


def same_numbers(one: InputContract, other: InputContract) -> bool:
    """True where both give the same tensor for the same 8-bit pixels, but for float32's rounding; colour order apart.

    >>> half = InputContract((8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)
    >>> same_numbers(half, InputContract((8, 8), divisor=1.0, mean=(127.5,) * 3, std=(127.5,) * 3))
    True
    """
    return one.dtype == "uint8" or all(
        np.allclose(a, b, rtol=0, atol=1e-5 * (a[1] - a[0]))
        for a, b in zip(_ends(_in_rgb(one)), _ends(_in_rgb(other)), strict=True)
    )


def _in_rgb(contract: InputContract) -> InputContract:
    return contract if contract.color == "gray" else with_color(contract, "rgb")


def numbers_name(contract: InputContract) -> str:
    """What a contract's scaling is called; its figures where it has no name."""
    if contract.dtype == "uint8":
        return "8-bit pixels"
    for numbers in NUMBERS:
        known = _scaled(contract, numbers, "gray" if contract.color == "gray" else "rgb")
        if same_numbers(contract, known):
            averaged = contract.color == "gray" and len(set(zip(numbers.mean, numbers.std, strict=True))) > 1
            return f"{numbers.name}, averaged" if averaged else numbers.name
    return f"/ {contract.divisor:g}, mean {_spell(contract.mean)}, std {_spell(contract.std)}"


def rule_name(contract: InputContract) -> str:
    """The resize rule in words, as in "short side 256, crop 224x224"."""
    size = f"{contract.size[0]}x{contract.size[1]}"
    rounded = "" if contract.crop_offset == "half-even" else f", offset rounded {contract.crop_offset}"
    names = {
        "none": "none",
        "exact": f"straight to {size}",
        "short-side": f"short side {contract.resize_to}, crop {size}{rounded}",
        "squash-crop": f"both sides {contract.resize_to}, crop {size}{rounded}",
        "letterbox": f"letterbox {size} on {contract.pad_value}",
    }
    return names[contract.resize]


def merged(contracts: Iterable[InputContract]) -> list[InputContract]:
    """Without those that feed the same as an earlier one."""
    kept: list[InputContract] = []
    for contract in contracts:
        if not any(
            contract.color == other.color
            and contract.image_side() == other.image_side()
            and same_numbers(contract, other)
            for other in kept
        ):
            kept.append(contract)
    return kept


def _ends(contract: InputContract) -> list[tuple[float, float]]:
    """What 0 and 255 become, per channel: they fix a linear scaling."""
    return [
        (-mean / std, (255 / contract.divisor - mean) / std)
        for mean, std in zip(contract.mean, contract.std, strict=True)
    ]


def _spell(values: Channels) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else " ".join(f"{value:g}" for value in values)

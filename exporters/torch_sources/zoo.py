"""`timm:NAME` and `torchvision:NAME`: their architectures, their weights, and what they say of their input."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, SeatrialError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.module import TorchSource
from seatrial.exporters.torch_sources.runtime import need, quiet
from seatrial.exporters.torch_sources.state_dict import load_weights


def timm_source(name: str, weights: Path | None) -> TorchSource:
    """timm's model of that name; without `weights` its pretrained ones, which timm fetches.

    The contract is its `pretrained_cfg` at test size, read as timm's validate.py reads it. Raises UsageError for an
    unknown name, BadInputError where the weights cannot be had or do not fit.
    """
    timm = need("timm")
    data = need("timm.data")
    if not timm.is_model(name):
        close = difflib.get_close_matches(name.partition(".")[0], timm.list_models())
        raise UsageError(f"timm has no model {name!r}." + (f" Close: {', '.join(close)}." if close else ""))
    module = _made(f"timm:{name}", lambda: timm.create_model(name, pretrained=weights is None), weights)
    config = data.resolve_data_config({}, model=module, use_test_size=True)
    subset = data.infer_imagenet_subset(module)
    names = data.ImageNetInfo(subset).label_names() if subset else None
    return TorchSource(name, module, timm_contract(config), tuple(names) if names else None)


def timm_contract(config: Mapping[str, Any]) -> InputContract | None:
    """timm's data configuration as an input contract; None for a resize that a contract has no words for.

    crop_mode "center": short side to floor(size / crop_pct), centre crop (timm.data.transforms_imagenet_eval);
    "squash" with crop_pct 1: both sides straight to the size.
    """
    channels, height, width = config["input_size"]
    if channels != 3 or config["interpolation"] not in ("nearest", "bilinear", "bicubic", "lanczos"):
        return None
    numbers: dict[str, Any] = {
        "interpolation": f"pillow-{config['interpolation']}",
        "mean": tuple(map(float, config["mean"])),
        "std": tuple(map(float, config["std"])),
    }
    if config["crop_mode"] == "squash" and config["crop_pct"] == 1.0:
        return InputContract((height, width), "exact", **numbers)
    if config["crop_mode"] == "center" and height == width:
        return InputContract((height, width), "short-side", math.floor(height / config["crop_pct"]), **numbers)
    return None


def torchvision_source(name: str, weights: Path | None) -> TorchSource:
    """torchvision's classifier `NAME` or `NAME:WEIGHTS` (an entry of its weights enum, DEFAULT unless said).

    Without a `weights` file, torchvision fetches the entry's. Contract and class names are the entry's own. Raises
    UsageError for an unknown name, BadInputError where the weights cannot be had or do not fit.
    """
    models = need("torchvision.models")
    name, _, entry = name.partition(":")
    try:
        known = models.get_model_weights(name)
        chosen = known[entry or "DEFAULT"]
    except ValueError as error:
        raise UsageError(f"torchvision has no model {name!r}. torchvision.models.list_models() lists them.") from error
    except KeyError as error:
        names = ", ".join(known.__members__)
        raise UsageError(f"torchvision's {name!r} has no weights {entry!r}. It has: {names}.") from error
    module = _made(
        f"torchvision:{name}", lambda: models.get_model(name, weights=chosen if weights is None else None), weights
    )
    categories = chosen.meta.get("categories")
    return TorchSource(
        name, module, torchvision_contract(chosen.transforms()), tuple(categories) if categories else None
    )


def torchvision_contract(preset: Any) -> InputContract | None:
    """torchvision's ImageClassification preset as an input contract; None for another kind of preset."""
    if type(preset).__name__ != "ImageClassification":
        return None
    return InputContract(
        (preset.crop_size[0], preset.crop_size[0]),
        "short-side",
        preset.resize_size[0],
        f"pillow-{preset.interpolation.value}",
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _made(what: str, make: Any, weights: Path | None) -> Any:
    try:
        with quiet():
            module = make()
    except SeatrialError:
        raise
    except Exception as error:  # the network's errors are those of urllib, requests, httpx and the hub
        raise BadInputError(
            f"{what} cannot be had: {error!r}. Without a network give its state dict with --weights."
        ) from error
    if weights is not None:
        load_weights(module, weights)
    return module

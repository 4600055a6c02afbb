"""What targets are built from and asked: the demo's network and photographs, which the package brings."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from calibration_images import ArrayImages
from PIL import Image

from seatrial import calib, exporters
from seatrial.engines import ENGINES, BuildRequest
from seatrial.engines.precision import is_quantized
from seatrial.exporters import DeployableModel
from seatrial.harness.demo import DEMO_CLASSES, demo_model_path
from seatrial.harness.demo.render import render_jpeg
from seatrial.harness.plan.request import build_request

# Of each class.
_TEST, _CALIB = 4, 2


@functools.cache
def model() -> DeployableModel:
    """In float32."""
    return exporters.load(demo_model_path())


def made(engine: str, device: str, precision: str, cache: Path) -> DeployableModel:
    """At the precision, in the form that the engine executes; made once, then found in `cache`. An engine without a
    recipe for a float precision casts by itself.
    """
    recipe = ENGINES[engine].recipe(device)
    if precision == "fp32" or not (is_quantized(precision) or calib.has_recipe(recipe, precision)):
        return model()
    images = ArrayImages(_photographs("calib", _CALIB), "gpukit")
    return calib.quantize(model(), precision, engine=recipe, images=images, cache=cache)


def request(engine: str, device: str, precision: str, work: Path, **changes: Any) -> BuildRequest:
    """To build it; plans and quantized files are kept beside `work`, for the steps that follow."""
    cache = work.parent / "cache"
    file = made(engine, device, precision, cache / "quantized")
    return build_request(file, precision=precision, device=device, cache=cache / "engines", **changes)


def tensors() -> npt.NDArray[np.float32]:
    """[N, 3, H, W], normalised."""
    return model().contract.normalise(_photographs("test", _TEST))


@functools.cache
def _photographs(split: str, count: int) -> npt.NDArray[np.uint8]:
    """[N, H, W, 3] at the network's size: the middle of the short side's square, which is enough to compare engines."""
    height, width = model().contract.size
    found = []
    for label in range(len(DEMO_CLASSES)):
        for index in range(count):
            image = Image.open(io.BytesIO(render_jpeg(split, label, index))).convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            found.append(np.asarray(image.crop((left, top, left + side, top + side)).resize((width, height))))
    return np.stack(found)

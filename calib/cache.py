"""Quantized models between runs: found again only by the hash of everything that shaped them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from seatrial import __version__
from seatrial.artefacts import Artefact, read_as, write_artefact
from seatrial.calib.quantizers import Request
from seatrial.exporters.model import DeployableModel
from seatrial.files import value_digest
from seatrial.packages import installed_versions

_KEY, _PRECISION = "seatrial.quantized", "seatrial.precision"


def cache_key(request: Request) -> str:
    """The hash over graph, contract, recipe, options, calibration images in order, and the tools' versions."""
    model = request.model
    shaped_by: dict[str, Any] = {
        "model": model.digest,
        "batch": model.fixed_batch,
        "contract": model.contract.to_dict(),
        "recipe": dataclasses.asdict(request.recipe),
        "options": dataclasses.asdict(request.options),
        "leave": dict(request.leave),
        "images": None if request.images is None else request.images.digest,
        "versions": {"seatrial": __version__, **versions_of(request.options.quantizer)},
    }
    return value_digest(shaped_by)


def find(folder: Path, key: str, model: DeployableModel) -> DeployableModel | None:
    """The cached model of that key, None where there is none or the file is not what was stored."""

    def read(kept: Artefact) -> DeployableModel:
        try:
            proto = onnx.load_model_from_string(kept.content)
        except DecodeError as error:
            raise ValueError(str(error)) from error
        # What it was made for: a fake-quantized file and a quantized one may hold the same kinds of nodes.
        return dataclasses.replace(model, proto=proto, precision=str(kept.facts["precision"]))

    return read_as(_path(folder, key), read)


def store(folder: Path, key: str, model: DeployableModel) -> DeployableModel:
    """Files the model under its key, atomically; returns it as a later `find` will."""
    content = model.onnx_bytes
    write_artefact(_path(folder, key), content, {"precision": model.precision})
    return dataclasses.replace(model, proto=onnx.load_model_from_string(content))


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.model"


# Packages whose version may change what a quantizer makes; ranges are observed in ONNX Runtime, whoever quantizes.
_PACKAGES = {
    "modelopt": ("nvidia-modelopt",),
    "nncf": ("nncf", "openvino"),
    "nncf-accuracy": ("nncf", "openvino"),
}


def versions_of(quantizer: str) -> dict[str, str | None]:
    """Package -> version, None where it is missing, of all that may shape a file."""
    return installed_versions(["onnxruntime", "onnxruntime-gpu", "numpy", "onnx", *_PACKAGES.get(quantizer, ())])

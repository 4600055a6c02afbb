"""Quantized models between runs: found again only by the hash of everything that shaped them."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from calib.quantizers import Request
from exporters.model import DeployableModel
from exporters.own_precision import own_precision
from shipcheck import __version__
from shipcheck.files import replacing, value_digest

_KEY = "shipcheck.quantized"


def cache_key(request: Request) -> str:
    """The hash over graph, contract, recipe, options, calibration images in order, and the tools' versions."""
    model = request.model
    shaped_by: dict[str, Any] = {
        "model": model.digest,
        "contract": model.contract.to_dict(),
        "recipe": dataclasses.asdict(request.recipe),
        "options": dataclasses.asdict(request.options),
        "images": None if request.images is None else request.images.digest,
        "versions": {"shipcheck": __version__, **{name: version(name) for name in ("onnx", "numpy")}, **_quantizer()},
    }
    return value_digest(shaped_by)


def find(folder: Path, key: str, model: DeployableModel) -> DeployableModel | None:
    """The cached model of that key, None where there is none or the file is not what was stored."""
    try:
        proto = onnx.load_model_from_string((folder / f"{key}.onnx").read_bytes())
    except (FileNotFoundError, DecodeError):
        return None
    if not any(entry.key == _KEY and entry.value == key for entry in proto.metadata_props):
        return None
    return dataclasses.replace(model, proto=proto, precision=own_precision(proto, folder / f"{key}.onnx"))


def store(folder: Path, key: str, model: DeployableModel) -> DeployableModel:
    """Files the model under its key, atomically; returns it as a later `find` will."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    proto.metadata_props.add(key=_KEY, value=key)
    stored = dataclasses.replace(model, proto=proto)
    with replacing(folder / f"{key}.onnx") as temporary:
        temporary.write_bytes(stored.onnx_bytes)
    return stored


def _quantizer() -> dict[str, str]:
    import onnxruntime

    return {"onnxruntime": onnxruntime.__version__}

"""NVIDIA Model Optimizer's own ONNX quantization, on our calibration batches: a second opinion on placement and ranges.

It runs in a process of its own: importing it replaces methods of onnxruntime.quantization and takes PyTorch along. It
calibrates on the CPU, and writes the form that TensorRT executes whatever the recipe's engine is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import seatrial
from seatrial.calib.images import whole_batches
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.quantizers import Request
from seatrial.errors import BuildError, UnsupportedError
from seatrial.exporters.contract import InputContract, Tensor, embed, read_contract
from seatrial.exporters.graphs import attribute_of, feed_images_only
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.own_precision import own_precision
from seatrial.packages import package_error
from seatrial.scratch import scratch

# `nvidia-modelopt[onnx]` asks for onnxruntime-gpu, which replaces onnxruntime, for CuPy and for an older onnx. Its ONNX
# part runs with what seatrial has and these few; tested together.
INSTALL = (
    "pip install --no-deps nvidia-modelopt==0.47.0 onnx-graphsurgeon==0.6.1",
    "pip install 'seatrial[torch]' cppimport lief nvidia-ml-py",
)
_BATCH = 16
_RANGES = {"minmax": "max", "entropy": "entropy"}
_INT4 = {"rtn": "rtn_dq", "gptq": "awq_clip"}
_FOREIGN = {"equalize": False, "bias_correction": False, "keep_float_below_db": None}
_MISSING = 3


def quantize_modelopt(request: Request) -> DeployableModel:
    """The float32 model with Model Optimizer's Q/DQ nodes: int8 and fp8 (static), int4 (weights of matrix products).

    Its choices: which nodes, and float32 for the others. Ours: the images, in batches of 16; `ranges` (minmax is its
    "max", entropy its "entropy"); `keep_float`; for int4 the recipe's block size, and `int4_method`: "rtn" is its
    "rtn_dq", and the method that looks at images its "awq_clip", as it has no GPTQ. Matrices lie as MatMul [K, N]
    before, since it blocks the first axis whatever transB says. Raises UnsupportedError where it is not installed, or
    an option has no counterpart, BuildError with its own words where it fails.
    """
    model, precision = request.model, request.recipe.precision
    settings = _settings(request)
    if importlib.util.find_spec("modelopt") is None:
        raise _missing("there is no module modelopt")
    with scratch() as folder:
        batches = _write_batches(request, folder)
        probe = model.contract.normalise(np.load(folder / "0.npy") if batches else _noise(model))
        source = at_qdq_opset(model, probe)
        feed_images_only(source.graph)
        if precision == "int4":
            settings["nodes_to_exclude"] += _prepare_products(source.graph, settings["block_size"])
        embed(source, model.contract, ())
        onnx.save(source, folder / "source.onnx")
        (folder / "settings.json").write_text(json.dumps(settings))
        _run(model.name, folder)
        proto = onnx.load_model(folder / "quantized.onnx")
    embed(proto, model.contract, model.class_names or ())
    found = own_precision(proto, Path(model.name))
    if found != precision:
        raise BuildError(f"Model Optimizer found nothing in {model.name} to quantize to {precision}: it made {found}.")
    return dataclasses.replace(model, proto=proto, precision=precision)


def _settings(request: Request) -> dict[str, Any]:
    """The keyword arguments of modelopt.onnx.quantization.quantize, as JSON."""
    options, recipe = request.options, request.recipe
    for field, nothing in _FOREIGN.items():
        if getattr(options, field) != nothing:
            raise UnsupportedError(f"Model Optimizer knows no {field.replace('_', ' ')}; take --quantizer seatrial.")
    names = _INT4 if recipe.precision == "int4" else _RANGES
    asked = options.int4_method if recipe.precision == "int4" else options.ranges
    if asked not in names:
        raise UnsupportedError(f"Model Optimizer has no method {asked!r} for ranges. It has: {', '.join(names)}.")
    settings: dict[str, Any] = {
        "quantize_mode": recipe.precision,
        "calibration_method": names[asked],
        "calibration_eps": ["cpu"],
        "high_precision_dtype": "fp32",
        "nodes_to_exclude": [f"^{re.escape(name)}$" for name in options.keep_float],
        "log_level": "ERROR",
    }
    if recipe.precision == "int4":
        settings["block_size"] = recipe.block_size
    return settings


def _write_batches(request: Request, folder: Path) -> int:
    """The calibration images as uint8 [N, H, W, 3], a file a batch; how many files."""
    if request.images is None:
        return 0
    frozen = request.model.fixed_batch
    number = 0
    for batch in whole_batches(request.images, frozen or _BATCH, fill=frozen is not None):
        np.save(folder / f"{number}.npy", batch)
        number += 1
    return number


def _noise(model: DeployableModel) -> Any:
    return np.random.default_rng(0).integers(0, 256, (model.fixed_batch or 1, *model.contract.size, 3), np.uint8)


def _prepare_products(graph: onnx.GraphProto, block: int) -> list[str]:
    """Turns, in place, constant matrices of Gemm from [N, K] to [K, N]; names what K does not divide into blocks."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    excluded = []
    for node in graph.node:
        if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in constants:
            continue
        weight = numpy_helper.to_array(constants[node.input[1]])
        transposed = attribute_of(node, "transB")
        if transposed is not None and transposed.i:
            transposed.i = 0
            weight = np.ascontiguousarray(weight.T)
            name = f"{node.output[0]}_weight"
            graph.initializer.append(numpy_helper.from_array(weight, name))
            node.input[1] = name
        node.name = node.name or f"{node.op_type}_{node.output[0]}"
        if weight.shape[0] % block:
            excluded.append(f"^{re.escape(node.name)}$")
    return excluded


def _run(name: str, folder: Path) -> None:
    root = str(Path(seatrial.__path__[0]).resolve().parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(  # noqa: S603  (our own module, by our own interpreter)
        [sys.executable, "-m", "seatrial.calib.modelopt", str(folder)],
        cwd=folder,  # cppimport compiles there, and stumbles over packages around it
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode == _MISSING:
        raise UnsupportedError(lines[-1])
    if done.returncode or not (folder / "quantized.onnx").is_file():
        raise BuildError(f"Model Optimizer failed on {name}: {' '.join(lines[-3:]) or done.returncode}")


def _missing(why: str) -> UnsupportedError:
    return UnsupportedError(f"Quantizer 'modelopt' is not installed ({why}). Install it: {'; '.join(INSTALL)}")


class _Reader:
    """What Model Optimizer asks of a calibration reader: one batch at a time, from the start as often as it likes."""

    def __init__(self, folder: Path, name: str, contract: InputContract) -> None:
        self.files = sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
        self.name, self.contract = name, contract
        self.rewind()

    def rewind(self) -> None:
        """Starts again."""
        self.left = iter(self.files)

    def get_next(self) -> dict[str, Tensor] | None:
        """The next batch, None behind the last."""
        path = next(self.left, None)
        return None if path is None else {self.name: self.contract.normalise(np.load(path))}

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return iter(self.get_next, None)

    def get_first(self) -> dict[str, Tensor]:
        """The first batch, without moving on."""
        return {self.name: self.contract.normalise(np.load(self.files[0]))}


def _work(folder: Path) -> int:
    """In the process of its own: settings.json, source.onnx and N.npy -> quantized.onnx."""
    warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            quantize = importlib.import_module("modelopt.onnx.quantization").quantize
    except Exception as error:  # a package that is here and broken raises what it likes
        told = package_error("modelopt", "Quantizer 'modelopt'", " && ".join(INSTALL), error)
        sys.stderr.write(f"\n{told}\n")
        return _MISSING
    settings = json.loads((folder / "settings.json").read_text())
    source = onnx.load_model(folder / "source.onnx")
    contract = read_contract(source)
    assert contract is not None
    reader = _Reader(folder, source.graph.input[0].name, contract)
    quantize(
        str(folder / "source.onnx"),
        output_path=str(folder / "quantized.onnx"),
        calibration_data_reader=reader if reader.files else None,
        **settings,
    )
    return 0


if __name__ == "__main__":
    sys.exit(_work(Path(sys.argv[1])))

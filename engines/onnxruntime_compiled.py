"""Engines that ONNX Runtime's TensorRT providers build, as files: an ONNX graph of one EPContext node that holds the
engine.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.engines.base import BuildRequest
from seatrial.engines.build_cache import Entry, entry_key, read_entry, write_entry
from seatrial.engines.onnxruntime_providers import Provider
from seatrial.errors import BuildError
from seatrial.scratch import scratch

# (bytes of the graph, entries of the session's configuration, more options of the provider) -> InferenceSession
Open = Callable[[bytes, Mapping[str, str], Mapping[str, str]], Any]


def kept_or_compiled(request: BuildRequest, provider: Provider, versions: Mapping[str, Any], open_: Open) -> Entry:
    """The compiled graph: from `request.cache` where it is there, and else compiled and kept there.

    Nothing is kept where no tool tells which GPU and driver it was built for. Raises what compiling does.
    """
    gpu = gpu_identity()
    key = entry_key("onnxruntime", request, {**versions, "gpu": gpu})
    kept = None if request.cache is None or gpu is None else request.cache
    found = None if kept is None else read_entry(kept, key)
    if found is not None:
        return found
    begin = time.perf_counter()
    compiled = _compile(request, provider, open_)
    entry = Entry(compiled, time.perf_counter() - begin, False)
    if kept is not None:
        write_entry(kept, key, entry)
    return entry


def _compile(request: BuildRequest, provider: Provider, open_: Open) -> bytes:
    with scratch() as folder:
        path = folder / "context.onnx"
        session = open_(request.onnx_bytes, *context_settings(provider, path))
        # Where shapes are not known before, the engine is built by the first query.
        image = np.zeros((request.fixed_batch or 1, *request.input_shape), request.input_dtype)
        session.run([request.output_name], {request.input_name: image})
        if not path.is_file():
            raise BuildError(
                f"{provider.name} built the {request.precision} model in more than one piece, or not at all: it wrote "
                "no engine of the whole graph. Take --device cuda, or --engine tensorrt, which names what it refuses."
            )
        return path.read_bytes()


def context_settings(provider: Provider, path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Entries of the session's configuration and options of the provider that write the compiled graph to `path`."""
    if provider.plugin is not None:
        entries = {"ep.context_enable": "1", "ep.context_embed_mode": "1", "ep.context_file_path": str(path)}
        return entries, {}
    return {}, {
        "trt_dump_ep_context_model": "True",
        "trt_ep_context_embed_mode": "1",
        "trt_ep_context_file_path": str(path),
    }


def gpu_identity() -> dict[str, str] | None:
    """What decides which engines run: the GPUs' names, compute capabilities and driver, as nvidia-smi tells, and which
    of them this process sees; None where it does not tell.
    """
    query = ["nvidia-smi", "--query-gpu=index,name,compute_cap,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603  (no input)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"gpus": done.stdout.strip(), "visible": os.environ.get("CUDA_VISIBLE_DEVICES", "")}

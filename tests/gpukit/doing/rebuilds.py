"""The same file built several times, without any cache: builders choose kernels by what they measure."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from gpukit import signs
from gpukit.doing.target import percentiles
from gpukit.results import FAILED, PASSED, Result
from seatrial.engines import ENGINES, places
from seatrial.engines.timing.block import Block

_BUILDS = 3
_LEAST_AGREEMENT = 0.98


def do(work: Path, name: str, engine: str, device: str) -> Result:
    """At float32 and int8. Fails where builds give other labels."""
    data, faults = {}, []
    for precision in ("fp32", "int8"):
        request = dataclasses.replace(signs.request(engine, device, precision, work), cache=None)
        builds = [_build(engine, request) for _ in range(_BUILDS)]
        labels = np.stack([labels for labels, _ in builds])
        agreement = float((labels == labels[0]).all(0).mean())
        data[precision] = {"agreement": agreement, "builds": [told for _, told in builds]}
        if agreement < _LEAST_AGREEMENT:
            faults.append(f"{precision}: {_BUILDS} builds agree on {agreement:.0%} of the labels")
    version = ENGINES[engine].version()
    same = {precision: len({one["sha256"] for one in told["builds"]}) for precision, told in data.items()}
    words = ", ".join(f"{count} different plans of {_BUILDS} at {precision}" for precision, count in same.items())
    return Result(FAILED if faults else PASSED, "; ".join([*faults, f"{engine} {version}: {words}"]), data)


def _build(engine: str, request: object) -> tuple[np.ndarray, dict[str, object]]:
    tensors = signs.tensors()
    with places.build(engine, request) as built:  # type: ignore[arg-type]
        labels = built.infer(tensors).argmax(1)
        built.prepare([tensors[:1]], 0.3)
        timed = built.time(Block("single-stream", seconds=0.5))
        return labels, {
            "build_s": built.build_s,
            "engine_bytes": built.engine_bytes,
            "sha256": hashlib.sha256(built.save()).hexdigest(),
            "latency_ms": percentiles(timed.taken / 1e6),
        }

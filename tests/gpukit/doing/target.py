"""One target: built, asked, audited, timed. Its row of the table of hardware comes from here."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

from gpukit import signs
from gpukit.machine import hardware_of, look
from gpukit.paths import slug
from gpukit.results import FAILED, PASSED, Result
from seatrial.engines import ENGINES, places
from seatrial.engines.device import device_kind
from seatrial.engines.hardware import Ran
from seatrial.engines.timing.block import Block
from seatrial.errors import UnsupportedError

_QUERIES = 16
_WARM_UP_S, _TIMED_S, _PHASES = 0.3, 1.0, 100
# Of the labels that float32 gives, and of the arithmetic at the precision.
_LEAST_AGREEMENT, _LEAST_SHARE = 0.9, 0.9
_ROUNDING = 1e-3  # of float32, as a share of the largest score: TF32's would be several times that


def do(work: Path, name: str, engine: str, device: str, precision: str) -> Result:
    """Fails where it does not answer like float32, or does not run at the precision, as far as the runtime shows it."""
    try:
        return _asked(work, name, engine, device, precision)
    except UnsupportedError:
        raise
    except Exception as error:
        ran = _ran(engine, device, precision, {}, passed=False)
        return Result(FAILED, f"{type(error).__name__}: {error}", runs=(ran.to_dict(),))


def _asked(work: Path, name: str, engine: str, device: str, precision: str) -> Result:
    tensors = signs.tensors()
    with places.build(
        "onnxruntime", signs.request("onnxruntime", "cpu", "fp32", work, optimization="disable")
    ) as reference:
        expected = reference.infer(tensors)
    ENGINES[engine].check_offered(precision, device)
    request = signs.request(engine, device, precision, work)
    files = work / "files"
    files.mkdir(exist_ok=True)
    (files / f"{slug(f'{ENGINES[engine].recipe(device)} {precision}')}.onnx").write_bytes(request.onnx_bytes)
    with places.build(engine, request) as built:
        answers = built.infer(tensors)
        audit = built.audit()
        data: dict[str, Any] = {"describe": built.describe(), "cautions": list(built.cautions())}
        data |= {"build_s": built.build_s, "from_cache": built.from_cache, "engine_bytes": built.engine_bytes}
        data |= {"realized": audit.realized(), "layers": [dataclasses.asdict(layer) for layer in audit.layers]}
        samples = [tensors[index : index + 1] for index in range(_QUERIES)]
        built.prepare(samples, _WARM_UP_S)
        timed = built.time(Block("single-stream", seconds=_TIMED_S))
        data["latency_ms"] = percentiles(timed.taken / 1e6)
        data["wrong"], data["checked"] = timed.wrong, timed.checked
        phases = _phases(built)
        data["phases_ms"] = {phase: percentiles(np.array(values)) for phase, values in phases.items()}
        if engine == "tensorrt":  # for trtexec
            plans = work.parent / "plans"
            plans.mkdir(exist_ok=True)
            (plans / f"{precision}.plan").write_bytes(built.save())
    profiles = work / "profiles"
    profiles.mkdir(exist_ok=True)
    raw = {"taken_ns": timed.taken[:20_000].tolist(), "phases_ms": phases}
    (profiles / f"{slug(name)}.json").write_text(json.dumps(raw), encoding="utf-8")
    agreement = float((answers.argmax(1) == expected.argmax(1)).mean())
    largest = float(np.abs(answers - expected).max() / np.abs(expected).max())
    share = _share(audit.realized(), precision)
    data |= {"agreement": agreement, "largest_difference": largest, "images": len(tensors)}
    faults = _faults(precision, agreement, largest, share, timed.wrong)
    p50 = data["latency_ms"]["p50"]
    ran = _ran(
        engine, device, precision, data["describe"], passed=not faults, share=_rounded(share), p50_ms=_rounded(p50)
    )
    shown = "not shown" if share is None else f"{share:.2%}"
    found = (
        f"p50 {p50:.3f} ms, {shown} at {precision}, {agreement:.0%} of float32's labels, built in {built.build_s:.1f} s"
    )
    return Result(FAILED if faults else PASSED, "; ".join([*faults, found]), data, (ran.to_dict(),))


def _phases(built: places.PlacedEngine) -> dict[str, list[float]]:
    """Milliseconds by the device's clock; none for an engine without phases."""
    found: dict[str, list[float]] = {}
    try:
        for index in range(_PHASES):
            for phase, value in built.phases(index % _QUERIES).items():
                found.setdefault(phase, []).append(value)
    except UnsupportedError:
        return {}
    return found


def percentiles(values: Any) -> dict[str, float]:
    """p50, p90 and p99 of milliseconds."""
    return {f"p{percent}": float(np.percentile(values, percent)) for percent in (50, 90, 99)}


def _share(realized: dict[str, float], precision: str) -> float | None:
    return None if realized.get("unknown", 0.0) >= 1.0 or not realized else realized.get(precision, 0.0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _faults(precision: str, agreement: float, largest: float, share: float | None, wrong: int) -> list[str]:
    faults = []
    if agreement < _LEAST_AGREEMENT:
        faults.append(f"{agreement:.0%} of the labels are float32's, fewer than {_LEAST_AGREEMENT:.0%}")
    if precision == "fp32" and largest > _ROUNDING:
        faults.append(f"scores differ by {largest:.2g} of the largest, more than float32's rounding")
    # int4 is for the weights of matrix products: of this network's arithmetic, those are next to nothing.
    if share is not None and (share == 0 if precision == "int4" else share < _LEAST_SHARE):
        faults.append(f"{share:.0%} of the arithmetic runs at {precision}")
    if wrong:
        faults.append(f"{wrong} answers under the clock were others than before")
    return faults


def _ran(engine: str, device: str, precision: str, described: dict[str, Any], **found: Any) -> Ran:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    kind = device_kind(device)
    version = ENGINES[engine].version() or "unknown"
    known = hardware_of(kind, described, look(installing=False))
    return Ran(engine=engine, device=kind, precision=precision, version=version, date=today, **known, **found)

"""The same plan through NVIDIA's own tool: the median on the GPU is ours, within 10 %."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from gpukit import signs
from gpukit.machine import trtexec
from gpukit.paths import slug
from gpukit.results import FAILED, PASSED, Result
from seatrial.engines.tensorrt.versions import installed_version, numbers
from seatrial.errors import UnsupportedError

_WITHIN, _LEAST_MS = 0.1, 0.01
_LIMIT_S = 120
_MEDIAN = re.compile(r"GPU Compute Time:.*?median = ([0-9.eE+-]+) ms")
_VERSION = re.compile(r"\[TensorRT v(\d+)\]")


def do(work: Path, name: str, engine: str, precision: str) -> Result:
    """Times it twice: as a graph that is replayed, as we do, and once more for the times of the layers."""
    tool, plan = trtexec(), work.parent / "plans" / f"{precision}.plan"
    if tool is None:
        raise UnsupportedError("trtexec is gone.")
    told = json.loads((work / "results" / f"{slug(f'{engine}/{precision}@cuda')}.json").read_text(encoding="utf-8"))
    ours = told["data"]["phases_ms"]["compute"]["p50"]
    height, width = signs.model().contract.size
    common = [tool, f"--loadEngine={plan}", f"--shapes={signs.model().input_name}:1x3x{height}x{width}"]
    profiles = work / "profiles"
    times = profiles / f"{slug(name)}-times.json"
    said = _run([*common, "--useCudaGraph", "--useSpinWait", "--warmUp=500", "--duration=3", f"--exportTimes={times}"])
    _check_version(said)
    median = _MEDIAN.search(said)
    if median is None:
        return Result(FAILED, f"trtexec told no GPU Compute Time: {said.strip().splitlines()[-1:]}")
    theirs = float(median[1])
    _run([*common, "--iterations=50", f"--exportProfile={profiles / f'{slug(name)}-layers.json'}"])
    data = {"ours_ms": ours, "trtexec_ms": theirs}
    words = f"{ours:.4f} ms here, {theirs:.4f} ms by trtexec"
    if abs(ours - theirs) > max(_LEAST_MS, _WITHIN * theirs):
        return Result(FAILED, f"{words}: more than {_WITHIN:.0%} apart", data)
    return Result(PASSED, words, data)


def version_of(said: str) -> tuple[int, int, int] | None:
    """(10, 3, 0) for the head "[TensorRT v100300]", (8, 5, 1) for "v8501"; None where it tells none."""
    found = _VERSION.search(said)
    if found is None:
        return None
    number = int(found[1])
    # NV_TENSORRT_VERSION: major, minor, patch in two digits each since 10, before in one, one and two.
    return (
        (number // 10000, number // 100 % 100, number % 100)
        if number >= 100000
        else (
            number // 1000,
            number // 100 % 10,
            number % 100,
        )
    )


def _check_version(said: str) -> None:
    tool, ours = version_of(said), numbers(installed_version("tensorrt") or "0")[:2]
    if tool is not None and tool[:2] != ours:
        raise UnsupportedError(
            f"trtexec is of TensorRT {'.'.join(map(str, tool))}, the plan of {'.'.join(map(str, ours))}: it does not "
            "load it. Put the trtexec of the same version on the path."
        )


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    print(said)
    return said

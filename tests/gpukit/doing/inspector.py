"""The raw words of TensorRT's engine inspector, of the plan that the target has built."""

from __future__ import annotations

from pathlib import Path

from gpukit import signs
from gpukit.results import PASSED, Result
from seatrial import engines
from seatrial.engines import ENGINES


def do(work: Path, name: str, engine: str, precision: str) -> Result:
    """Writes them as they are, by engine, version and precision."""
    with engines.build(engine, signs.request(engine, "cuda", precision, work)) as built:
        told = str(built.evidence("inspector")[0]["inspector"])
        from_cache = built.from_cache
    folder = work / "inspector" / f"{engine}-{ENGINES[engine].version()}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{precision}.json").write_text(told, encoding="utf-8")
    return Result(PASSED, f"{len(told)} characters", {"from_cache": from_cache})

"""Of what is usable here: what anybody has run on such hardware, as docs/hardware.md has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.cpu import Processor
from seatrial.engines.hardware import Ran, gpu_family, last_run, processor_family

# Devices of engines that are NVIDIA's GPUs.
_CUDA = ("cuda", "tensorrt", "tensorrt-rtx", "dla")


def families(processor: Processor, gpus: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Device -> what its hardware is called in that table; the first GPU stands for all. gpus: as `find_gpus`."""
    first = gpu_family(gpus[0]["compute_capability"]) if gpus else None
    return {"cpu": processor_family(processor), **dict.fromkeys(_CUDA, first)}


def last_runs(
    engine: Mapping[str, Any], known: Mapping[str, str | None], runs: Sequence[Ran]
) -> dict[str, dict[str, dict[str, Any] | None]]:
    """Device -> precision usable there -> `date`, `version`, `hardware` and `passed` of the last run on such hardware,
    None where nobody has told of one; nothing of engines that no archive tells of, plug-ins' and `null`. engine: as
    `examine_engine`. known: as `families`.
    """
    kind = ENGINES[engine["name"]]
    if not kind.executes_graph or not kind.__module__.startswith("seatrial.engines."):
        return {}
    return {
        device: {
            precision: _told(last_run(runs, engine["name"], device, precision, known.get(device), engine["version"]))
            for precision in one["precisions"]
        }
        for device, one in engine["on"].items()
    }


def _told(ran: Ran | None) -> dict[str, Any] | None:
    if ran is None:
        return None
    return {"date": ran.date, "version": ran.version, "hardware": ran.hardware, "passed": ran.passed}

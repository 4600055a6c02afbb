"""Each engine asked in a process of its own, all at once: what runs there, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seatrial.engines import ENGINES, Engine
from seatrial.harness.doctor.machine import Asks
from seatrial.question import Answer, ask

_NOTHING: Mapping[str, Any] = {"usable": False, "precisions": [], "refused": {}, "builds": [], "cautions": []}


def examine_engines(names: Sequence[str], timeout_s: float, asks: Asks = ask) -> list[dict[str, Any]]:
    """What `doctor --json` says of each engine, on the machine that `asks` asks. This process imports no runtime."""
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return list(pool.map(lambda name: examine_engine(ENGINES[name], timeout_s, asks), names))


def examine_engine(engine: type[Engine], timeout_s: float, asks: Asks = ask) -> dict[str, Any]:
    """One engine; a process that ends over one of its devices is followed by another for the rest."""
    begin = time.perf_counter()
    on: dict[str, dict[str, Any]] = {}
    version, missing, install = None, None, None
    while missing is None and len(on) < len(engine.manifest):
        left = [device for device in engine.manifest if device not in on]
        answer = asks("seatrial.engines.survey", [engine.name, engine.__module__, left], timeout_s)
        for line in answer.lines:
            version = line.get("version") or version
            missing = line.get("missing") if "missing" in line and "device" not in line else missing
            install = line.get("mend") or line.get("install") or install
            if line.get("device") in left:
                on[line["device"]] = {name: value for name, value in line.items() if name != "device"}
        if answer.ended is None:
            break
        step = next((line["at"] for line in reversed(answer.lines) if "at" in line), "start")
        why = _ended(answer, step)
        if step in left and step not in on:
            on[step] = {**_NOTHING, "missing": why}
        else:
            missing = why
    for device in engine.manifest:
        on.setdefault(device, {**_NOTHING, "missing": missing or "its process ended before it was asked"})
    usable = {device: found for device, found in on.items() if found["usable"]}
    if not usable and missing is None:
        missing = next((str(found["missing"]) for found in on.values()), None)
    return {
        "name": engine.name,
        "usable": bool(usable),
        "version": version,
        "precisions": _in_order(engine, usable),
        "devices": list(usable),
        "missing": None if usable else missing,
        "install": install,
        "simulates": bool(engine.simulates),
        "on": {device: on[device] for device in engine.manifest},
        "offers": {device: list(precisions) for device, precisions in engine.manifest.items()},
        "seconds": round(time.perf_counter() - begin, 3),
    }


def _ended(answer: Answer, step: str) -> str:
    verb, _, rest = str(answer.ended).partition(" (")
    where = {"import": "on import", "start": "before it was imported"}.get(step, f"while it looked for {step!r}")
    said = f". Its last output: {answer.output}" if answer.output else ""
    return f"{verb} {where}{f' ({rest}' if rest else ''}{said}"


def _in_order(engine: type[Engine], usable: Mapping[str, Mapping[str, Any]]) -> list[str]:
    offered = dict.fromkeys(precision for one in engine.manifest.values() for precision in one)
    return [precision for precision in offered if any(precision in found["precisions"] for found in usable.values())]

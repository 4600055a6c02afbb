"""The whole examination, as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.cache import cache_root
from seatrial.engines import ENGINES
from seatrial.engines.cpu import Processor
from seatrial.engines.hardware import known_runs
from seatrial.harness.doctor.engines import examine_engines
from seatrial.harness.doctor.hardware import families, last_runs
from seatrial.harness.doctor.machine import Asks, describe_machine
from seatrial.harness.doctor.packages import describe_packages, find_duplicates
from seatrial.harness.doctor.plugins import describe_plugins

SCHEMA = 1
# Importing a large runtime from a cold, slow disk takes tens of seconds.
DEFAULT_TIMEOUT_S = 60.0


def examine(names: Sequence[str] = (), timeout_s: float = DEFAULT_TIMEOUT_S) -> dict[str, Any]:
    """What `doctor --json` prints. names: engines or their short names, all where there is none; UsageError for unknown
    ones; then the optional packages are not imported. timeout_s: how long one engine may take to answer.
    """
    chosen = list(dict.fromkeys(map(ENGINES.canonical, names))) or _all()
    with ThreadPoolExecutor(max_workers=2) as pool:
        machine = pool.submit(describe_machine)
        packages = pool.submit(describe_packages, timeout_s, importing=not names)
        engines = _with_runs(examine_engines(chosen, timeout_s), machine.result())
        return {
            "schema": SCHEMA,
            "seatrial": __version__,
            "engines": engines,
            "machine": machine.result(),
            "packages": packages.result(),
            "plugins": describe_plugins(),
            "cache": describe_cache(cache_root()),
            "cautions": [*find_duplicates(), *_cautions(engines)],
        }


def examine_board(
    asks: Asks, cache: Mapping[str, Any], names: Sequence[str] = (), timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[str, Any]:
    """The same of a board that is asked. cache: its own, as `describe_cache` has it.

    Other people's engines are not there: only what is seatrial's own travels.
    """
    chosen = list(dict.fromkeys(map(ENGINES.canonical, names))) or _all()
    engines = examine_engines([name for name in chosen if _travels(name)], timeout_s, asks)
    # One after the other: an engine that is asked would be seen as another process that disturbs.
    machine = describe_machine(asks)
    return {
        "schema": SCHEMA,
        "seatrial": __version__,
        "engines": _with_runs(engines, machine),
        "machine": machine,
        "packages": [],
        "plugins": [],
        "cache": dict(cache),
        "cautions": _cautions(engines),
    }


def _with_runs(engines: Sequence[Mapping[str, Any]], machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    hardware = families(Processor(str(machine["machine"]), frozenset(machine["features"])), machine["gpus"])
    return [{**engine, "last_runs": last_runs(engine, hardware, known_runs())} for engine in engines]


def _travels(name: str) -> bool:
    return ENGINES[name].__module__.startswith("seatrial.engines.")


def _cautions(engines: Sequence[Mapping[str, Any]]) -> list[str]:
    found = (caution for engine in engines for one in engine["on"].values() for caution in one["cautions"])
    return list(dict.fromkeys(found))


def _all() -> list[str]:
    # The engine that does nothing stands last.
    return sorted(ENGINES, key=lambda name: not ENGINES[name].executes_graph)


def describe_cache(root: Path) -> dict[str, Any]:
    """path, files, bytes; zeros where there is none yet. Links are not followed."""
    files, size = 0, 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118  (many files: no Path for each)
            except OSError:  # gone meanwhile
                continue
            files += 1
    return {"path": str(root), "files": files, "bytes": size}

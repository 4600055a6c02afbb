"""What an engine has on a machine: asked of the engine itself, in a process that may crash or hang over it."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.engines.base import Engine
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.registry import ENGINES
from seatrial.errors import SeatrialError
from seatrial.packages import PackageError

# A GPU that every runtime with a builder knows, to ask whether it builds where there is none.
_SOME_GPU = "8.9"

Say = Callable[[dict[str, Any]], None]


def main(name: str, module: str, devices: Sequence[str]) -> None:
    """Writes to standard output what it finds on the way, as JSON, one object a line.

    name: of an engine, which importing `module` registers. The lines: `{"version", "install"}` as packages tell it;
    `{"at": STEP}` before a step that may end the process (`import`, a device); `{"version", "missing", "mend"}` after
    the import; `{"device", ...}` after each device (as `survey_device` has it); `{"done": true}` at the end. What the
    runtime itself writes goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    importlib.import_module(module)
    survey(ENGINES[name], devices, say)
    say({"done": True})
    os._exit(0)  # a runtime's own clean-up is where many of them crash


def survey(engine: type[Engine], devices: Sequence[str], say: Say) -> None:
    """Says whether the runtime can be imported and, where it can, what it does on each of the devices."""
    say({"version": engine.packaged_version(), "install": engine.how_to_install() or None})
    if not engine.is_installed():
        say({"version": None, "missing": f"not installed: there is no module {engine.module!r}", "mend": None})
        return
    say({"at": "import"})
    missing, mend, version = None, None, None
    try:
        engine.runtime()
    except PackageError as error:
        missing, mend = str(error), error.mend
    except Exception as error:  # whatever a broken runtime raises is the answer
        missing = f"{type(error).__name__}: {error}"
    if missing is None:
        with contextlib.suppress(Exception):  # a runtime that is there but cannot tell its version has none
            version = engine.version()
    say({"version": version, "missing": missing, "mend": mend})
    if missing is not None:
        return
    for device in devices:
        say({"at": device})
        say({"device": device, **survey_device(engine, device)})


def survey_device(engine: type[Engine], device: str) -> dict[str, Any]:
    """usable: at least one precision runs. precisions: those. missing: why the device cannot be used at all, None where
    it can. refused: precision of the manifest -> why it does not run although the device is there. builds: precisions
    whose engine can be built here without the device. cautions: sentences on what is known to be wrong.
    """
    offered = engine.manifest[device]
    missing = _refusal(lambda: engine.check_device(device))
    refused: dict[str, str] = {}
    if missing is None:
        found = {precision: _refusal(_supporting(engine, precision, device)) for precision in offered}
        refused = {precision: why for precision, why in found.items() if why is not None}
    precisions = [precision for precision in offered if missing is None and precision not in refused]
    if not precisions and refused:
        missing, refused = next(iter(refused.values())), {}
    cautions: dict[str, None] = {}
    for precision in precisions:
        cautions |= dict.fromkeys(engine.cautions_of(precision, device))
    return {
        "usable": bool(precisions),
        "precisions": precisions,
        "missing": missing,
        "refused": refused,
        "builds": [] if precisions else _builds(engine, device),
        "cautions": list(cautions),
    }


def _builds(engine: type[Engine], device: str) -> list[str]:
    if not issubclass(engine, CompiledEngine):
        return []
    return [one for one in engine.manifest[device] if _refusal(_compiling(engine, one, device)) is None]


def _supporting(engine: type[Engine], precision: str, device: str) -> Callable[[], object]:
    return lambda: engine.check_support(precision, device)


def _compiling(engine: type[CompiledEngine], precision: str, device: str) -> Callable[[], object]:
    return lambda: engine.check_compile(precision, device, _SOME_GPU)


def _refusal(check: Callable[[], object]) -> str | None:
    try:
        check()
    except SeatrialError as error:
        return str(error)
    except Exception as error:  # whatever a broken runtime raises is the answer
        return f"{type(error).__name__}: {error}"
    return None

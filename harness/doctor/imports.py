"""Modules imported one after the other in a process of its own: which of the packages that are installed work."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Mapping, Sequence

from seatrial.engines.openvino import without_telemetry
from seatrial.packages import broken
from seatrial.question import ask


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why a module that is installed does not import, as a clause; and the line that mends it, None if unknown."""

    says: str
    mend: str | None


def main(modules: Sequence[str], install: Mapping[str, str]) -> None:
    """Writes, as JSON, one object a line: `{"at": MODULE}` before each import, `{"module", "says", "mend"}` after it,
    `{"done": true}` at the end.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: Mapping[str, object]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    for module in modules:
        say({"at": module})
        says: str | None = None
        mend: str | None = None
        try:
            with without_telemetry():
                importlib.import_module(module)
        except Exception as error:  # a broken package raises what it likes
            says, mend = broken(module, install[module], error)
        say({"module": module, "says": says, "mend": mend})
    say({"done": True})
    os._exit(0)  # a runtime's own clean-up is where many of them crash


def find_faults(install: Mapping[str, str], timeout_s: float) -> dict[str, Fault]:
    """Module -> what is wrong with it, of those that do not import. install: module -> the line that installs it.

    A process that ends over one of them is followed by another for the rest.
    """
    left = list(install)
    faults: dict[str, Fault] = {}
    while left:
        answer = ask(__name__, [left, dict(install)], timeout_s)
        for line in answer.lines:
            if line.get("module") in left:
                left.remove(line["module"])
                if line.get("says"):
                    faults[line["module"]] = Fault(str(line["says"]), line.get("mend"))
        if answer.ended is None:
            break
        at = next((line["at"] for line in reversed(answer.lines) if "at" in line), left[0])
        if at not in left:  # it ended between two
            break
        left.remove(at)
        said = f": {answer.output}" if answer.output else ""
        faults[at] = Fault(f"{at}, which is installed but {answer.ended} on import{said}", None)
    return faults

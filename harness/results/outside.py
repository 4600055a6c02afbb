"""Checks of other packages: questions to the summary of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seatrial.harness.results.check import Check
from seatrial.registry import Registry

# The content of summary.json, without its gate -> a check, or several.
OutsideCheck = Callable[[Mapping[str, Any]], Check | Iterable[Check]]


def _accept(name: str, named: Any) -> OutsideCheck:
    if not callable(named):
        raise TypeError("a check is a function of a summary")
    check: OutsideCheck = named
    return check


CHECKS: Registry[OutsideCheck] = Registry("check", group="seatrial.checks", accept=_accept)


def outside_checks(summary: Mapping[str, Any]) -> list[Check]:
    """What they find, by name. One that raises, or returns what is no check, has failed and says so."""
    return [check for name in sorted(CHECKS) for check in _found(name, summary)]


def _found(name: str, summary: Mapping[str, Any]) -> list[Check]:
    try:
        answer = CHECKS[name](summary)
        found = [answer] if isinstance(answer, Check) else list(answer)
        if not all(isinstance(one, Check) for one in found):
            raise TypeError(f"it returned {answer!r}")
    except Exception as error:
        package = CHECKS.provenance(name).get("plugin", "")
        says = f"the check of {package} could not be answered: {type(error).__name__}: {error}"
        return [Check(name=name, target=str(summary["reference"]), answer="fail", says=says)]
    return found

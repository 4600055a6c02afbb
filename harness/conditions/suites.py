"""Which conditions a run asks about: suites, globs over ids, severities."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Sequence

import numpy as np

from harness.conditions.condition import Condition
from harness.conditions.corruptions import SEVERITIES, corrupt, names
from harness.data.source import Pixels
from shipcheck.errors import UsageError

CLEAN = "clean"
# Suite -> the severities at which it asks for every corruption; `clean` is part of each.
SUITES: dict[str, tuple[int, ...]] = {"quick": (3,), "standard": SEVERITIES}


def corruption_id(name: str, severity: int) -> str:
    """`corruption/NAME@SEVERITY`."""
    return f"corruption/{name}@{severity}"


def known_ids() -> list[str]:
    """Every condition id there is, in the order of reports: clean first, then corruption by corruption."""
    return [CLEAN, *(corruption_id(name, severity) for name in names() for severity in SEVERITIES)]


def make_condition(condition_id: str) -> Condition:
    """The condition behind an id; UsageError for an unknown one."""
    if condition_id == CLEAN:
        return Condition(CLEAN)
    if condition_id not in known_ids():
        raise UsageError(f"Unknown condition {condition_id!r}. Known: {_spelled()}.")
    name, _, severity = condition_id.removeprefix("corruption/").partition("@")
    return Condition(condition_id, functools.partial(_corrupt, name, int(severity)))


def choose(suite: str, globs: Sequence[str] = (), severities: Sequence[int] = ()) -> list[Condition]:
    """The conditions of a suite, or those that match a glob if any is given, at the given severities only.

    `clean` is always among them: every comparison is against it. Raises UsageError for an unknown suite or severity and
    for globs that match nothing, alone or at these severities.
    """
    if suite not in SUITES:
        raise UsageError(f"Unknown suite {suite!r}. Known: {', '.join(SUITES)}.")
    for severity in severities:
        if severity not in SEVERITIES:
            raise UsageError(f"Severity {severity} does not exist; there are 1 to 5.")
    known = known_ids()
    for glob in globs:
        if not fnmatch.filter(known, glob):
            raise UsageError(f"No condition matches {glob!r}. Known: {_spelled()}.")
    wanted_severities = set(severities or (SEVERITIES if globs else SUITES[suite]))
    chosen = [CLEAN]
    for condition_id in known[1:]:
        matches = not globs or any(fnmatch.fnmatchcase(condition_id, glob) for glob in globs)
        if matches and int(condition_id.rpartition("@")[2]) in wanted_severities:
            chosen.append(condition_id)
    if chosen == [CLEAN] and not any(fnmatch.fnmatchcase(CLEAN, glob) for glob in globs):
        raise UsageError(f"No condition matches {', '.join(globs)} at severity {', '.join(map(str, severities))}.")
    return [make_condition(condition_id) for condition_id in chosen]


def _corrupt(name: str, severity: int, image: Pixels, rng: np.random.Generator) -> Pixels:
    return corrupt(image, name, severity, rng=rng)


def _spelled() -> str:
    return f"clean, {', '.join(f'corruption/{name}@1..5' for name in names())}"

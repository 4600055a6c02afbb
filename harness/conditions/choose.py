"""Which conditions a run asks about: suites, globs over ids, severities."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import CLEAN, Condition
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of, spelled
from seatrial.harness.spec.studies import STUDIES
from seatrial.text import choices, meant


def suites() -> list[str]:
    """Their names."""
    return list(dict.fromkeys(name for kind in KINDS.values() for name in kind.suites))


def known_ids(world: World) -> list[str]:
    """Every condition id that patterns may find, in the order of reports."""
    return [name for kind in KINDS.values() for name in kind.ids(world)]


def make_condition(condition_id: str, world: World) -> Condition:
    """The condition behind an id, for any images; UsageError where there is none."""
    return kind_of(condition_id).make(condition_id, world)


def choose(
    suite: str,
    world: World,
    globs: Sequence[str] = (),
    severities: Sequence[int] = (),
    available: Sequence[str] | None = None,
) -> list[str]:
    """The ids of a suite, or those that match a glob if any is given, at the given severities only. Of a suite that
    repeats a study, patterns choose among its own; an id that is named in full comes beside them.

    available: the ids that the data can answer, None for all. `clean` is always chosen if it is available: the others
    are compared with it. Raises UsageError for an unknown suite or severity, and for globs that match nothing, alone or
    at these severities.
    """
    if suite not in suites():
        raise UsageError(f"Unknown suite {suite!r}. {choices(suite, suites())}")
    wanted = _of_study(suite, globs, world) if suite in STUDIES and globs else globs
    found = [name for kind in KINDS.values() for name in kind.chosen(suite, wanted, severities, world)]
    for glob in globs:
        if not any(_there(kind.matching(glob, world), available) for kind in KINDS.values()):
            KINDS.refuse_broken(glob.partition("/")[0])
            raise UsageError(f"No condition matches {glob!r}.{meant(glob, known_ids(world))} Known: {spelled()}.")
    found = _there(found, available)
    if found in ([], [CLEAN]) and not any(fnmatch.fnmatchcase(CLEAN, glob) for glob in globs):
        at = f" at severity {', '.join(map(str, sorted(set(severities))))}" if severities else ""
        raise UsageError(f"No condition is left of {', '.join(globs) or suite}{at}.")
    return found


def _of_study(suite: str, globs: Sequence[str], world: World) -> list[str]:
    """What patterns find among the suite's own, and the ids that are named in full."""
    named = [glob for glob in globs if not any(sign in glob for sign in "*?[")]
    of_suite = [name for kind in KINDS.values() for name in kind.chosen(suite, (), (), world)]
    return [*named, *(name for name in of_suite if any(fnmatch.fnmatchcase(name, glob) for glob in globs))]


def _there(ids: Sequence[str], available: Sequence[str] | None) -> list[str]:
    return [name for name in ids if available is None or name in available]

"""Which conditions a run asks about: suites, globs over ids, severities."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seatrial.errors import UsageError
from seatrial.harness.attacks.ids import ATTACK as ATTACK_PREFIX
from seatrial.harness.attacks.ids import (
    ATTACKS,
    BLACKBOX,
    QDQ,
    SOURCE,
    in_order,
    is_attack,
    matching_ids,
    parse_attack,
    suite_ids,
)
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.corruptions import HELD_OUT, SCALES, SEVERITIES, corrupt, names, using_frost_textures
from seatrial.harness.conditions.pipeline import PREFIX as PIPELINE
from seatrial.harness.conditions.pipeline import known_pipeline_ids
from seatrial.harness.data.source import Pixels

CLEAN = "clean"
CORRUPTION = "corruption/"


@dataclasses.dataclass(frozen=True)
class Suite:
    """severities: at which every corruption is asked for. held_out: also those four that mCE leaves out. pipeline: all
    pipeline conditions, too, and their combination.
    """

    severities: tuple[int, ...]
    held_out: bool = False
    pipeline: bool = False


# `clean` is part of each.
SUITES: dict[str, Suite] = {
    "quick": Suite((3,)),
    "standard": Suite(SEVERITIES),
    "full": Suite(SEVERITIES, held_out=True),
    "pipeline": Suite((), pipeline=True),
    "attack": Suite(()),
    "attack-full": Suite(()),
}


@dataclasses.dataclass(frozen=True)
class CorruptionOptions:
    """scale: the size in px whose constants are used, None for the image's own. frost: folder of the photographs."""

    scale: int | None = None
    frost: Path | None = None

    def __post_init__(self) -> None:
        """UsageError for a scale without constants."""
        if self.scale is not None and self.scale not in SCALES:
            raise UsageError(
                f"There are no constants for {self.scale} px; there are for {', '.join(map(str, SCALES))}."
            )


def corruption_id(name: str, severity: int) -> str:
    """`corruption/NAME@SEVERITY`."""
    return f"{CORRUPTION}{name}@{severity}"


def known_ids() -> list[str]:
    """Every condition id there is but for attacks, whose strengths are free, in the order of reports: clean first, then
    corruption by corruption.
    """
    corruptions = (corruption_id(name, severity) for name in names() for severity in SEVERITIES)
    return [CLEAN, *corruptions, *known_pipeline_ids()]


def make_condition(condition_id: str, options: CorruptionOptions | None = None) -> Condition:
    """`clean`, or the corruption behind an id; UsageError for any other."""
    if condition_id == CLEAN:
        return Condition(CLEAN)
    if is_attack(condition_id):
        return Condition(condition_id, attack=parse_attack(condition_id))
    if condition_id not in known_ids() or condition_id.startswith(PIPELINE):
        raise UsageError(f"Unknown condition {condition_id!r}. Known: {_spelled()}.")
    name, severity = parse_corruption(condition_id)
    return Condition(condition_id, functools.partial(_corrupt, name, severity, options or CorruptionOptions()))


def parse_corruption(condition_id: str) -> tuple[str, int]:
    """`corruption/NAME@SEVERITY` -> name, severity."""
    name, _, severity = condition_id.removeprefix(CORRUPTION).rpartition("@")
    return name, int(severity)


def choose(
    suite: str,
    globs: Sequence[str] = (),
    severities: Sequence[int] = (),
    available: Sequence[str] | None = None,
    surrogates: Sequence[str] = (SOURCE, QDQ),
) -> list[str]:
    """The ids of a suite, or those that match a glob if any is given, at the given severities only.

    available: the ids that the data can answer, None for all. surrogates: what attacks may be made on. `clean` is
    always chosen if it is available: the others are compared with it. Raises UsageError for an unknown suite or
    severity, and for globs that match nothing, alone or at these severities.
    """
    if suite not in SUITES:
        raise UsageError(f"Unknown suite {suite!r}. Known: {', '.join(SUITES)}.")
    for severity in severities:
        if severity not in SEVERITIES:
            raise UsageError(f"Severity {severity} does not exist; there are 1 to 5.")
    known = known_ids() if available is None else [name for name in known_ids() if name in available]
    attacks = _attacks(suite, globs, surrogates) if available is None else []
    for glob in globs:
        if not fnmatch.filter(known, glob) and not (available is None and matching_ids(glob, surrogates)):
            raise UsageError(f"No condition matches {glob!r}. Known: {_spelled()}.")
    wanted = set(severities or (SEVERITIES if globs else SUITES[suite].severities))
    held_out = bool(globs) or SUITES[suite].held_out
    chosen = []
    for condition_id in known:
        if condition_id == CLEAN:
            continue
        asked = any(fnmatch.fnmatchcase(condition_id, glob) for glob in globs) if globs else True
        if condition_id.startswith(PIPELINE):
            if asked and (globs or SUITES[suite].pipeline):
                chosen.append(condition_id)
            continue
        name, severity = parse_corruption(condition_id)
        if asked and severity in wanted and (held_out or name not in HELD_OUT):
            chosen.append(condition_id)
    chosen.extend(attacks)
    if not chosen and not any(fnmatch.fnmatchcase(CLEAN, glob) for glob in globs):
        at = f" at severity {', '.join(map(str, sorted(wanted)))}" if wanted else ""
        raise UsageError(f"No condition is left of {', '.join(globs) or suite}{at}.")
    return [CLEAN, *chosen] if CLEAN in known else chosen


def _attacks(suite: str, globs: Sequence[str], surrogates: Sequence[str]) -> list[str]:
    found = (
        [name for glob in globs for name in matching_ids(glob, surrogates)] if globs else suite_ids(suite, surrogates)
    )
    return in_order(map(parse_attack, found), surrogates)


def _corrupt(name: str, severity: int, options: CorruptionOptions, image: Pixels, rng: np.random.Generator) -> Pixels:
    with using_frost_textures(options.frost):
        return corrupt(image, name, severity, rng=rng, scale=options.scale)


def _spelled() -> str:
    corruptions = ", ".join(f"corruption/{name}@1..5" for name in names())
    attacks = ", ".join(f"{BLACKBOX if one.blackbox else ATTACK_PREFIX}{name}@EPS" for name, one in ATTACKS.items())
    return f"clean, {corruptions}, {', '.join(known_pipeline_ids())}, {attacks}"

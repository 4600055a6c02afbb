"""The table with which a run of the kit ends."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gpukit.results import FAILED, PASSED, SKIPPED, Done, count

_WIDTH = 120
_LONGEST_WHY = 480


def table(done: Sequence[Done]) -> str:
    """Per step: passed, failed or skipped, seconds, and why; a reason that is that of the step before stands as `"`."""
    name = max((len(one.name) for one in done), default=4)
    lines = [f"{'step':<{name}}  {'outcome':<7}  {'s':>5}  why", "-" * _WIDTH]
    before = ""
    for one in done:
        why = _printable(one.result.why)
        shown = '"' if why and one.result.outcome == SKIPPED and why == before else why
        before = why if one.result.outcome == SKIPPED else ""
        head = f"{one.name:<{name}}  {one.result.outcome:<7}  {one.seconds or 0:>5.0f}  "
        wrapped = textwrap.wrap(shown[:_LONGEST_WHY], max(30, _WIDTH - len(head))) or [""]
        lines += [(head + wrapped[0]).rstrip(), *(" " * len(head) + line for line in wrapped[1:])]
    return "\n".join([*lines, "-" * _WIDTH, summary(done)])


def summary(done: Sequence[Done]) -> str:
    """One line."""
    passed, failed, skipped = (count(done, outcome) for outcome in (PASSED, FAILED, SKIPPED))
    return f"{len(done)} steps: {passed} passed, {failed} failed, {skipped} skipped"


def _printable(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())

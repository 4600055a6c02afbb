"""`--detect POINTS`: how many images a run needs, without running it."""

from __future__ import annotations

import math

from rich.console import Console

from seatrial.errors import EXIT_PASSED, UsageError
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Progress
from seatrial.harness.results.detect import POWER, known_run, needs
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.tables import Listing, figures, name, words
from seatrial.harness.typeset.terminal import say


def tell_images_needed(spec: RunSpec, points: float, progress: Progress, console: Console) -> int:
    """Prints how many images tell a loss of so many points from none; the exit status.

    UsageError for a loss that none can be, and where the run has nothing but the reference.
    """
    if not (math.isfinite(points) and 0 < points <= 100):
        raise UsageError(f"--detect is {points:g}; it is a loss in points, above 0 and at most 100.")
    known = known_run(spec.baseline, spec.out)
    plan = make_plan(spec, progress)
    found = needs(points / 100, plan.asked, len(plan.conditions), known)
    if not found:
        raise UsageError("--detect needs a target beside the reference, which is what the others lose against.")
    conditions = f"one of {len(plan.conditions)} conditions"
    asked = f"images that tell a loss of {points:g} points from none, with a chance of {POWER:.0%}"
    title = f"{asked}; there are {len(plan.data):,}"
    table = Listing(title, name("target"), *figures("clean", conditions), words("images that flip"))
    for one in found:
        source = f"as in {known.root.name}" if known is not None and one.measured else "assumed"
        table.add(one.target, _counted(one.images), _counted(one.among_many), f"{percent(one.churn)} ({source})")
    console.print(table)
    if known is None:
        say(console, "A run that is named by --baseline, or continued by --out, tells how many really flip.")
    return EXIT_PASSED


def _counted(images: int | None) -> str:
    return "more than 10,000,000" if images is None else f"{images:,}"

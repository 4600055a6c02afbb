"""One comparison from its spec to its result."""

from __future__ import annotations

import dataclasses

from seatrial.harness.diff.comparison import Comparison
from seatrial.harness.diff.prepare import open_engine, prepared
from seatrial.harness.diff.result import DiffResult
from seatrial.harness.diff.summary import summarise
from seatrial.harness.diff.trying import remedy
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.spec.diff import DiffSpec


def diff(spec: DiffSpec, progress: Progress | None = None) -> DiffResult:
    """Compares, layer by layer; raises a SeatrialError that says what to do.

    Memory holds the values of one small batch and sums; it does not grow with the number of images.
    """
    progress = progress or Silent()
    with prepared(spec, progress) as made:
        with progress.stage("Building engines", 2, "engines") as update:
            update(0, made.reference.id)
            reference = open_engine(made.reference, spec.run.limits)
            try:
                update(1, made.target.id)
                target = open_engine(made.target, spec.run.limits)
            except BaseException:
                reference.close()
                raise
            update(2)
        with reference, target:
            comparison = Comparison(spec, made, reference, target)
            comparison.run(progress)
            found = summarise(comparison)
            if spec.remedy:
                remedied = remedy(found, spec, made, (reference, target), progress)
                found = dataclasses.replace(found, remedy=remedied)
        return found

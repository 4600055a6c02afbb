"""One comparison from its spec to its result."""

from __future__ import annotations

from engines import isolated
from engines.isolated import IsolatedEngine, Limits
from harness.diff.comparison import Comparison
from harness.diff.prepare import Side, prepared
from harness.diff.result import DiffResult
from harness.diff.spec import DiffSpec
from harness.diff.summary import summarise
from harness.progress import Progress, Silent


def diff(spec: DiffSpec, progress: Progress | None = None) -> DiffResult:
    """Compares, layer by layer; raises a ShipcheckError that says what to do.

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
        return summarise(comparison)


def open_engine(side: Side, limits: Limits) -> IsolatedEngine:
    """Builds the side's engine, in a process of its own."""
    return isolated.build(side.engine, side.request, limits)

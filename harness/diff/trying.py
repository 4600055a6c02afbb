"""Files of the target with nodes in float: made, built, asked about all images, and timed beside the target."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from seatrial.calib.options import OURS
from seatrial.engines.places import PlacedEngine
from seatrial.errors import DeviceError, EngineDiedError
from seatrial.harness.diff.prepare import Prepared, Side, open_engine, with_float
from seatrial.harness.diff.remedy import MOST_FILES, Remedy, Tried, find, goal_of
from seatrial.harness.diff.result import DiffResult
from seatrial.harness.metrics.latency_ratio import Speedup, speedup
from seatrial.harness.plan.files import sensitivities_of
from seatrial.harness.progress import Progress, Update
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.spec.diff import DiffSpec
from seatrial.harness.spec.targets import TargetSpec
from seatrial.harness.timing.single_stream import single_stream

_BATCH = 32
# trtexec's warm-up, in seconds.
_WARM_UP_S = 0.2
# Blocks of 32 queries in turn; a median of so many stands to a few per cent.
_SAMPLES = 256
_MAX_S = 3.0
_QUERIES = 32

Labels = npt.NDArray[np.int64]


def remedy(
    found: DiffResult, spec: DiffSpec, made: Prepared, engines: tuple[PlacedEngine, PlacedEngine], progress: Progress
) -> Remedy:
    """Searches for the smallest set of layers to keep in float. found: where the two part. engines: the reference's and
    the target's. Raises DeviceError where the reference gives no scores.
    """
    with progress.stage("Keeping layers in float", MOST_FILES, "files") as update:
        trying = _Trying(spec, made, engines, update)
        chosen = None
        if trying.needed:
            chosen = find(_groups(found, made, spec.target), trying.reference, trying.plain, trying.attempt)
        update(len(trying.tried))
    return Remedy(
        measure="top-1" if trying.labelled else "agreement",
        images=len(made.images),
        reference=trying.reference,
        reference_price=trying.reference_price(),
        plain=trying.plain,
        tried=tuple(one for one in trying.tried.values() if one is not None),
        found=chosen,
        whole=not trying.spent,
    )


class _Trying:
    """What was tried so far. truth: the labels; where they are not known, the reference's answers."""

    def __init__(
        self, spec: DiffSpec, made: Prepared, engines: tuple[PlacedEngine, PlacedEngine], update: Update
    ) -> None:
        self._spec, self._made, self._engines, self._update = spec, made, engines, update
        answers = _answers(engines[0], made.reference, made)
        if answers.min() < 0:
            raise DeviceError(f"{made.reference.id} gives no scores for some images: nothing can be restored to that.")
        self.labelled = bool((made.labels >= 0).all())
        self.truth = made.labels if self.labelled else answers
        self.reference = int(np.count_nonzero(answers == self.truth))
        self._right = self._correct(engines[1], made.target)
        self.plain = Tried((), int(np.count_nonzero(self._right)))
        self.tried: dict[tuple[str, ...], Tried | None] = {}
        self.spent = False
        self._prepare(engines[1], made.target)

    @property
    def needed(self) -> bool:
        return self.plain.right < goal_of(self.reference)

    def attempt(self, nodes: tuple[str, ...]) -> Tried | None:
        """As `remedy.Attempt`."""
        if nodes not in self.tried:
            if len(self.tried) >= MOST_FILES:
                self.spent = True
                return None
            self._update(len(self.tried), ", ".join(nodes))
            self.tried[nodes] = self._attempt(nodes)
        return self.tried[nodes]

    def _attempt(self, nodes: tuple[str, ...]) -> Tried | None:
        try:
            side = with_float(self._made, self._spec.target, nodes)
            with open_engine(side, self._spec.run.limits) as engine:
                right = self._correct(engine, side)
                self._prepare(engine, side)
                price = self._price(engine)
        except TARGET_ERRORS:  # nothing would be left to quantize, or the engine does not take such a file
            return None
        return Tried(
            nodes,
            right=int(np.count_nonzero(right)),
            better=int(np.count_nonzero(right & ~self._right)),
            worse=int(np.count_nonzero(self._right & ~right)),
            price=price,
        )

    def reference_price(self) -> Speedup:
        """The reference's median latency over the target's."""
        self._prepare(self._engines[0], self._made.reference)
        return self._price(self._engines[0])

    def _correct(self, engine: PlacedEngine, side: Side) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = _answers(engine, side, self._made) == self.truth
        return found

    def _prepare(self, engine: PlacedEngine, side: Side) -> None:
        pixels = self._made.images.read(0, min(_QUERIES, len(self._made.images)))
        batch = side.model.contract.normalise(pixels)
        engine.prepare([batch[index : index + 1] for index in range(len(batch))], _WARM_UP_S)

    def _price(self, engine: PlacedEngine) -> Speedup:
        """Its median latency over the target's."""
        timed = single_stream({"plain": self._engines[1], "other": engine}, samples=_SAMPLES, max_s=_MAX_S)
        return speedup(timed["other"], [timed["plain"]], seed=self._spec.run.seed)


def _answers(engine: PlacedEngine, side: Side, made: Prepared) -> Labels:
    """int64 [N]: the class of the largest score of each image; -1 for those of a batch that gives no scores."""
    found = []
    for start in range(0, len(made.images), _BATCH):
        pixels = made.images.read(start, min(start + _BATCH, len(made.images)))
        try:
            found.append(engine.infer(side.model.contract.normalise(pixels)).argmax(axis=1))
        except EngineDiedError:
            raise
        except DeviceError:  # NaN, above all
            found.append(np.full(len(pixels), -1, np.int64))
    return np.concatenate(found)


def _groups(found: DiffResult, made: Prepared, target: TargetSpec) -> list[tuple[str, ...]]:
    """Nodes that stay float together, those first that add most error: by what the engine was seen to add, and in turn
    by what each layer costs at the scores when it alone is quantized. The first sees what kernels do, the second a
    small error that the layers behind enlarge.
    """
    seen = [step.keep_float for step in found.all_steps]
    alone = [_with_activation(name, found) for name in _by_sensitivity(made, target)]
    groups = (group for pair in itertools.zip_longest(alone, seen, fillvalue=()) for group in pair)
    kept = (tuple(name for name in group if name in made.nodes) for group in groups)
    return [group for group in kept if group]


def _by_sensitivity(made: Prepared, target: TargetSpec) -> list[str]:
    """In seatrial's own file, which stands for those of other quantizers."""
    if made.calibration is None:
        return []
    saturates = made.plan.saturates(target)
    options = dataclasses.replace(made.plan.spec.quantization, quantizer=OURS, keep_float=())
    return [
        name for name, _ in sensitivities_of(made.plan.model, target, made.calibration, options, saturates=saturates)
    ]


def _with_activation(node: str, found: DiffResult) -> tuple[str, ...]:
    """The node, and the Relu that reads it: others round behind that, whatever the node is."""
    operators = {layer.node: layer.op for layer in found.layers}
    readers = next((layer.readers for layer in found.layers if layer.node == node), ())
    return node, *(name for name in readers if operators.get(name) in ("Relu", "Clip"))

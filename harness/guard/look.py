"""A built engine and the file that it was built from, on a few images: whether they say the same."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError

from seatrial import __version__
from seatrial.artefacts import read_as, write_artefact
from seatrial.calib.observe import session_for
from seatrial.calib.overflow import find_overflow
from seatrial.calib.processors import multiplies_on_processor
from seatrial.engines import ENGINES, places
from seatrial.engines.base import BuildRequest, filled
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.device import device_kind
from seatrial.engines.places import LOCAL, Limits, PlacedEngine
from seatrial.engines.precision import is_quantized, is_simulated
from seatrial.errors import DeviceError, EngineDiedError, SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.files import value_digest
from seatrial.harness.guard.sample import Sample
from seatrial.harness.guard.units import FED, Unit, cut, units_of
from seatrial.harness.guard.verdict import ALONE_DB, SCORES_DB, Optimised, Piece, Verdict, verdict_of
from seatrial.harness.spec.targets import AS_WRITTEN

# What a file means is what this engine makes of it, node by node, with every Q/DQ node computed in float.
_LITERAL = "onnxruntime"
_LEVELS = ("all", "extended", "basic", "disable")
_BATCH = 8
# Of an engine's images, those that depart most are looked into.
_CLOSELY = 4
# Steps between an engine's rounded value and the unrounded one: rounding leaves 0.5, of sums in another order hardly
# more. So a tie that falls to the other side is no fault (of a MobileNet's input, a third are ties).
_ROUNDING = 0.6

Array = npt.NDArray[Any]
_Told = TypeVar("_Told")


@dataclasses.dataclass(frozen=True)
class Guard:
    """sample: what engines are looked at on. cache: the folder of verdicts, None to look anew. limits: of the processes
    that are started for it.
    """

    sample: Sample
    limits: Limits = dataclasses.field(default_factory=Limits)
    cache: Path | None = None

    def look(self, engine: PlacedEngine, model: DeployableModel) -> Verdict | None:
        """The verdict on a built engine; None for one whose file is not quantized, or that does not look at its file.

        Where nothing can be known (no ONNX Runtime here, scores that are NaN) the verdict says so. An engine that was
        compiled anew is looked at anew: builds may differ.
        """
        kind = ENGINES[engine.name]
        if not is_quantized(model.precision) or not kind.executes_graph:
            return None
        key = self._key(engine, model)
        if not issubclass(kind, CompiledEngine) or engine.from_cache:
            kept = self._stored(key)
            if kept is not None:
                return kept
        begin = time.perf_counter()
        tensor = model.contract.normalise(self.sample.pixels)
        try:
            expected, again = _in_two_tries(functools.partial(self._meant, engine, tensor))
        except SeatrialError as error:
            return Verdict(not_looked=str(error))
        if not np.array_equal(expected[:_BATCH], again):
            return Verdict(not_looked="the model gives other scores each time that it is asked")
        try:
            found = _scores(engine, tensor)
        except EngineDiedError:
            raise
        except SeatrialError as error:  # NaN scores, above all: whoever asks next is told
            return Verdict(not_looked=str(error))
        verdict = self._compare(engine, model, tensor, expected, found)
        verdict = dataclasses.replace(verdict, optimised=self._optimised(engine, tensor, expected))
        verdict = dataclasses.replace(verdict, seconds=round(time.perf_counter() - begin, 3))
        if self.cache is not None:
            write_artefact(self.cache / f"{key}.verdict", json.dumps(verdict.to_dict(), allow_nan=False).encode())
        return verdict

    def _meant(self, engine: PlacedEngine, tensor: Array) -> tuple[Array, Array]:
        """The scores that the engine's file means, node by node; those of the first batch, asked again."""
        with self._beside(engine, _literally(engine.request), _LITERAL) as literal:
            return _scores(literal, tensor), _scores(literal, tensor[:_BATCH])

    def _seen(self, engine: PlacedEngine, model: DeployableModel, tensor: Array) -> tuple[list[Piece], Array]:
        with self._beside(engine, engine.request) as other:
            return _pieces(other, model, tensor)

    def _scores_of(self, engine: PlacedEngine, request: BuildRequest, tensor: Array) -> Array:
        with self._beside(engine, request) as other:
            return _scores(other, tensor)

    def _compare(
        self, engine: PlacedEngine, model: DeployableModel, tensor: Array, expected: Array, found: Array
    ) -> Verdict:
        verdict = Verdict(
            images=len(tensor),
            source=self.sample.source,
            snr_db=ratio_db(expected, found),
            labels_changed=_labels_changed(expected, found),
            saturating=_saturating(engine, model),
        )
        if verdict.snr_db >= SCORES_DB:
            return verdict
        worst = np.argsort([ratio_db(*pair) for pair in zip(expected, found, strict=True)], kind="stable")[:_CLOSELY]
        try:  # beside the engine that is measured, which stays as it is
            seen = _in_two_tries(functools.partial(self._seen, engine, model, tensor[worst]))
        except SeatrialError:  # it does not show its insides, or the cut graph does not run
            seen = None
        if seen is None or ratio_db(expected[worst], seen[1]) >= SCORES_DB:
            verdict = dataclasses.replace(verdict, faithful=verdict.snr_db >= ALONE_DB)
        else:
            verdict = dataclasses.replace(verdict, pieces=tuple(seen[0]), faithful=not seen[0])
        if verdict.faithful:
            return verdict
        return dataclasses.replace(verdict, way_out=self._way_out(engine, tensor, expected))

    def _optimised(self, engine: PlacedEngine, tensor: Array, expected: Array) -> Optimised | None:
        """What the optimiser would make of a simulated file that is run as written; None for others, and for an engine
        that has none, or refuses the file.
        """
        request = engine.request
        as_written = is_simulated(request.precision) and request.optimization == AS_WRITTEN
        if not as_written or ENGINES[engine.name].as_written:
            return None
        try:
            changed = dataclasses.replace(request, optimization=_LEVELS[0])
            found = _in_two_tries(functools.partial(self._scores_of, engine, changed, tensor))
        except EngineDiedError:
            raise
        except SeatrialError:
            return None
        return Optimised(_LEVELS[0], _labels_changed(expected, found), ratio_db(expected, found))

    def _way_out(self, engine: PlacedEngine, tensor: Array, expected: Array) -> str | None:
        """The highest optimisation level, below the engine's own, at which it computes what the file says."""
        request = engine.request
        for level in _LEVELS[_LEVELS.index(request.optimization) + 1 :]:
            changed = dataclasses.replace(request, optimization=level)
            try:
                found = _in_two_tries(functools.partial(self._scores_of, engine, changed, tensor))
                if ratio_db(expected, found) >= SCORES_DB:
                    return level
            except SeatrialError:  # not every engine has levels
                return None
        return None

    def _beside(self, engine: PlacedEngine, request: BuildRequest, name: str | None = None) -> PlacedEngine:
        """Another engine, of the same runtime and at the same place; one that is named is of this machine: what a file
        means is the same everywhere.
        """
        place = engine.place if name is None else LOCAL
        return places.build(name or engine.name, request, self.limits, place=place)

    def _key(self, engine: PlacedEngine, model: DeployableModel) -> str:
        request = engine.request
        return value_digest(
            {
                "model": model.digest,
                "contract": model.contract.to_dict(),
                "images": self.sample.digest,
                "engine": [engine.name, engine.version, request.precision, request.device],
                "options": engine.describe(),
                "processor": engine.there.processor.to_dict(),
                "versions": [__version__, LOCAL.engine(_LITERAL).version],
            }
        )

    def _stored(self, key: str) -> Verdict | None:
        return None if self.cache is None else stored_verdict(self.cache / f"{key}.verdict")


def _in_two_tries(ask: Callable[[], _Told]) -> _Told:
    """An engine dies of what befell the machine, or of its file: then it dies once more."""
    try:
        return ask()
    except EngineDiedError:
        return ask()


def stored_verdict(path: Path) -> Verdict | None:
    """What was kept there; None where nothing was, or where the file is damaged."""
    return read_as(path, lambda kept: verdict_of(json.loads(kept.content)))


def ratio_db(expected: Array, found: Array) -> float:
    """10 log10 of signal to noise, summed over all values; infinite where both are equal.

    >>> ratio_db(np.array([10.0, 0.0]), np.array([9.0, 0.0]))
    20.0
    """
    reference = expected.astype(np.float64)
    signal, noise = float(np.square(reference).sum()), float(np.square(reference - found).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _labels_changed(expected: Array, found: Array) -> int:
    return int(np.count_nonzero(expected.argmax(axis=1) != found.argmax(axis=1)))


def _literally(request: BuildRequest) -> BuildRequest:
    return dataclasses.replace(
        request, precision="fp32", device="cpu", optimization=AS_WRITTEN, builder=BuilderOptions(), cache=None
    )


def _scores(engine: PlacedEngine, tensor: Array) -> Array:
    size = engine.request.fixed_batch or _BATCH
    return np.concatenate([engine.infer(tensor[start : start + size]) for start in range(0, len(tensor), size)])


def _pieces(engine: PlacedEngine, model: DeployableModel, tensor: Array) -> tuple[list[Piece], Array]:
    """The faulty pieces, the worst first, and the scores of the engine while it shows them.

    Memory holds the rounded values of a few images, twice.
    """
    units = units_of(model.proto.graph, model.input_name, model.output_name)
    names = [unit.value for unit in units]
    befores = {unit.before for unit in units if unit.before} - {*names, model.input_name}
    asked = [*names, *sorted(befores)]
    session = session_for(cut(model.proto, names, asked, model.output_name))
    taken = [port.name for port in session.get_inputs()]
    size = engine.request.fixed_batch or _CLOSELY
    tallies = [_Tally(unit) for unit in units]
    scores = []
    for start in range(0, len(tensor), size):
        batch = tensor[start : start + size]
        real, batch = len(batch), filled(batch, engine.request.fixed_batch or len(batch))
        shown = engine.intermediates(batch, names)
        try:
            feeds = {name: batch if name == model.input_name else shown[name.removeprefix(FED)] for name in taken}
            own = dict(zip(asked, session.run(asked, feeds), strict=True))
        except Exception as error:  # pybind's exceptions share no base but Exception
            raise DeviceError(f"The pieces of {model.name} do not run by themselves: {error}") from error
        befores_here = {model.input_name: batch, **shown, **{name: own[name] for name in befores}}
        for tally in tallies:
            unit = tally.unit
            tally.add(own[unit.value], shown.get(unit.value), befores_here.get(unit.before or ""))
        scores.append(shown[model.output_name][:real].reshape(real, -1))
    found = [piece for piece in (tally.piece() for tally in tallies) if piece is not None and piece.faulty]
    kernels = _kernels(engine) if found else {}
    found = [dataclasses.replace(piece, kernel=kernels.get(piece.node)) for piece in found]
    return sorted(found, key=lambda one: (one.snr_db, one.node)), np.concatenate(scores)


class _Tally:
    """Sums over the batches of how far a piece is from what the file says."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.signal = self.noise = 0.0
        self.off = self.count = 0

    def add(self, expected: Array, found: Array | None, before: Array | None) -> None:
        if found is None or found.shape != expected.shape:
            return
        difference = np.abs(expected.astype(np.float64) - found)
        self.signal += float(np.square(expected.astype(np.float64)).sum())
        self.noise += float(np.square(difference).sum())
        self.count += difference.size
        if self.unit.step is not None:
            wrong = difference > 0.5 * self.unit.step
            if before is not None and before.shape == found.shape:  # else a tie may count as wrong
                wrong &= np.abs(before.astype(np.float64) - found) > _ROUNDING * self.unit.step
            self.off += int(np.count_nonzero(wrong))

    def piece(self) -> Piece | None:
        if not self.count or not self.noise or not self.unit.nodes:
            return None
        decibels = 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf
        share = None if self.unit.step is None else self.off / self.count
        return Piece(self.unit.nodes[-1], self.unit.nodes, None, share, decibels)


def _saturating(engine: PlacedEngine, model: DeployableModel) -> tuple[int, int] | None:
    on_processor = device_kind(engine.request.device) == "cpu" and multiplies_on_processor(engine.name)
    if not on_processor or not engine.there.processor.saturates or not engine.audit().realized().get("int8"):
        return None
    found = find_overflow(model.proto)
    return len(found.layers), found.of


def _kernels(engine: PlacedEngine) -> dict[str, str]:
    """Node -> kernel, where the engine tells: in its audit, or in the graph that it holds."""
    found = {layer.name: layer.op for layer in engine.audit().layers}
    with contextlib.suppress(SeatrialError, DecodeError):
        graph = onnx.load_model_from_string(engine.save()).graph
        found.update({node.name: node.op_type for node in graph.node if node.name})
    return found

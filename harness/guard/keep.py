"""Our own quantizer leaves in float what an engine computes otherwise than the file says, and says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from seatrial.engines.places import PlacedEngine
from seatrial.errors import BuildError
from seatrial.exporters import DeployableModel
from seatrial.harness.guard.look import Guard
from seatrial.harness.guard.verdict import Verdict

# Each time, all pieces that depart are taken out; behind them others may be seen that were hidden.
_ROUNDS = 3

# Nodes to leave in float -> why; the file with them in float.
Make = Callable[[Mapping[str, str]], DeployableModel]
Build = Callable[[DeployableModel], PlacedEngine]
# Is told what is at work.
Says = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Guarded:
    """What is run: the engine, the file in it, and what is known of the two (see `Guard.look`)."""

    engine: PlacedEngine
    model: DeployableModel
    verdict: Verdict | None


def guarded(make: Make, build: Build, guard: Guard, *, ours: bool, says: Says = lambda phase: None) -> Guarded:
    """Builds an engine and looks at it; a file of our own (`ours`) is made again with the nodes in float where the
    engine departs from it, until it does not. Raises what `make` and `build` raise.
    """
    kept: dict[str, str] = {}

    def made(leave: Mapping[str, str]) -> DeployableModel:
        says("making its file")
        return make(leave)

    def built(model: DeployableModel) -> tuple[PlacedEngine, Verdict | None]:
        says("building")
        engine = build(model)
        says("comparing it with its file")
        return engine, guard.look(engine, model)

    model = made(kept)
    engine, verdict = built(model)
    for _ in range(_ROUNDS if ours else 0):
        more = {} if verdict is None or verdict.faithful else _reasons(engine, verdict, kept)
        if not more:
            break
        try:
            other = made({**kept, **more})
        except BuildError:  # nothing would be left to quantize
            break
        kept |= more
        model = other
        engine, verdict = built(model)
    if verdict is not None and kept:
        verdict = dataclasses.replace(verdict, kept_float=tuple(kept.items()))
    return Guarded(engine, model, verdict)


def _reasons(engine: PlacedEngine, verdict: Verdict, kept: Mapping[str, str]) -> dict[str, str]:
    known = "" if verdict.images == 0 else f"; {verdict.snr_db:.1f} dB at the scores, {verdict.labels_changed} of "
    effect = f"{known}{verdict.images} labels changed"
    return {
        name: f"{engine.name} computes it otherwise than the file says ({piece.says()}{effect})"
        for piece in verdict.pieces
        for name in piece.nodes
        if name not in kept
    }

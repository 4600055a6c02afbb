"""Where the targets of a plan run: what shapes their answers there, and which of them cannot be had."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.boards.places import Places
from seatrial.engines.device import device_kind
from seatrial.engines.places import Place
from seatrial.errors import SeatrialError, UnsupportedError
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.records.differences import differences
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.spec.targets import TargetSpec


@dataclasses.dataclass(frozen=True)
class There:
    """What a target's place has to do with its answers. version: of the runtime. processor: as JSON values, None where
    another device computes.
    """

    version: str | None
    processor: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Reached:
    """there: of each target that takes part. lost: why a target cannot be had now; one that takes part all the same was
    there before, and what it answered then stands.
    """

    there: Mapping[TargetSpec, There]
    lost: Mapping[TargetSpec, SeatrialError]


class Nowhere(Places):
    """Places for those who only read what was answered: no board is reached."""

    def serves(self, board: str | None) -> bool:
        """As `Places.serves`."""
        return board is not None

    def of(self, board: str | None) -> Any:
        """As `Places.of`."""
        if board is None:
            return super().of(None)
        raise UnsupportedError(f"Board {board} is not asked here.")


class Recorded(Nowhere):
    """Places for those who judge what was answered elsewhere: what shaped a target stands in the run directory, on
    whatever machine that is read.
    """


def reach(targets: Sequence[TargetSpec], places: Places, held: Mapping[str, Any], progress: Progress) -> Reached:
    """Asks every target's place. held: target id -> its identity, in the run directory. Raises for targets of this
    machine alone.
    """
    there: dict[TargetSpec, There] = {}
    lost: dict[TargetSpec, SeatrialError] = {}
    boards = list(dict.fromkeys(target.board for target in targets if target.board is not None))
    for target in targets:
        if target.board is None:
            recorded = isinstance(places, Recorded) and target.id in held
            there[target] = _recorded(held[target.id]) if recorded else _there(target, places)
    told = progress if boards else Silent()
    unit = "boards" if any(one.board and not ENGINES[one.engine].served for one in targets) else "endpoints"
    with told.stage(f"Reaching {unit}", len(boards), unit) as update:
        for done, board in enumerate(boards):
            update(done, board)
            for target in (one for one in targets if one.board == board):
                try:
                    there[target] = _there(target, places)
                except TARGET_ERRORS as error:
                    lost[target] = error
                    if target.id in held:
                        there[target] = _recorded(held[target.id])
        update(len(boards))
    return Reached({target: there[target] for target in targets if target in there}, lost)


def changed_here(there: Mapping[TargetSpec, There]) -> list[str]:
    """What of the targets of this machine is otherwise here and now, as paths; none where it is what they were asked
    on. Raises where they cannot be had here.
    """
    found: list[str] = []
    for target, then in there.items():
        if target.board is None:
            now = _there(target, Nowhere())
            found.extend(differences(dataclasses.asdict(then), dataclasses.asdict(now), target.id))
    return found


def _recorded(identity: Mapping[str, Any]) -> There:
    return There(identity["version"], identity["processor"])


def place_of(target: TargetSpec, places: Places) -> Place:
    """Where it runs; raises as `Places.of`, and UnsupportedError for an endpoint that is not described."""
    if ENGINES[target.engine].served and not places.serves(target.board):
        raise UnsupportedError(
            f"Where is {target.board}? Give --place {target.board}=http://HOST:8000/v2/models/NAME, or grpc://...: "
            "what a run directory says of an endpoint is not asked."
        )
    return places.of(target.board)


def _there(target: TargetSpec, places: Places) -> There:
    place = place_of(target, places)
    place.check_offered(target.engine, target.precision, target.device)
    version = place.engine(target.engine).version
    on_processor = device_kind(target.device) == "cpu"
    return There(version, place.facts().processor.to_dict() if on_processor else None)

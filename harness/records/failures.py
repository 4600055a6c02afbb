"""A target that came to no end: what happened to it, while the others went on."""

from __future__ import annotations

import dataclasses
from typing import Any

from seatrial.errors import BuildError, DeviceError, EngineDiedError, SeatrialError, UnsupportedError
from seatrial.harness.spec.targets import REFERENCE

# What ends one target. Anything else (a wrong flag, an unreadable file, a fault of our own) ends the run.
TARGET_ERRORS = (BuildError, DeviceError, UnsupportedError)


@dataclasses.dataclass(frozen=True)
class Failure:
    """target: id of the build that failed. stage: `build`, `latency` or `trials`. outcome: `refused` (the engine said
    no), `failed` (it ran and gave an error), `crashed`, `hung`, `out of memory` or `cut off`, as its board was. says:
    in its words.
    """

    target: str
    stage: str
    outcome: str
    says: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


def failure(target: str, stage: str, error: SeatrialError) -> Failure:
    """The record of an error; raises it again where it is the reference's: without that, nothing can be compared."""
    if target == REFERENCE.id:
        raise error
    if isinstance(error, EngineDiedError):
        outcome = error.outcome
    else:
        outcome = "failed" if isinstance(error, DeviceError) else "refused"
    return Failure(target, stage, outcome, str(error))

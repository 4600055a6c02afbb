"""Directories that hold a shard of a run: which one, and whether several are the shards of one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.records.differences import differences
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.spec import check_run
from seatrial.harness.spec.shard import Shard, shard_of

Description = Mapping[str, Any]


def shard_in(description: Description | None) -> Shard | None:
    """The shard that a run directory holds; None for a whole run, and where there is none yet. BadInputError for what
    is no shard.
    """
    told = None if description is None else description.get("shard")
    try:
        return None if told is None else shard_of(str(told))
    except UsageError as error:
        raise BadInputError(f"A run's description names the shard {told!r}, which there cannot be.") from error


def check_shard(out: Path | None, stored: Description | None, asked: Shard | None) -> None:
    """UsageError where the run directory holds another part than is asked for. A shard's goes on as a whole run where
    no shard is asked for.
    """
    if stored is None or asked is None:
        return
    held = shard_in(stored)
    if held != asked:
        what = "a whole run" if held is None else f"shard {held}"
        raise UsageError(
            f"--out {out} holds {what}, and --shard {asked} is asked for: each has a directory of its own."
        )


def check_no_shard(flag: str, root: Path, description: Description | None) -> None:
    """UsageError for a part, of which nothing can be judged. flag: names the run in errors."""
    held = shard_in(description)
    if held is not None:
        raise UsageError(f"{flag} {root} holds shard {held} of a run: merge all {held.of} first.")


@dataclasses.dataclass(frozen=True)
class Parts:
    """All shards of one run, by number from 1. targets: the identity of each target, by id, of whichever knows it."""

    directories: Sequence[RunDirectory]
    descriptions: Sequence[Description]

    @property
    def of(self) -> int:
        """How many there are."""
        return len(self.directories)

    def name(self, number: int) -> str:
        """For people: which, and where."""
        return f"shard {number}/{self.of} ({self.directories[number - 1].root})"

    @property
    def targets(self) -> dict[str, Any]:
        """What shapes each target, by id; a board that one shard did not have, another did."""
        return {
            name: one for stored in reversed(self.descriptions) for name, one in stored["identity"]["targets"].items()
        }


def read_parts(roots: Sequence[Path]) -> Parts:
    """The shards in these directories, in any order.

    UsageError for a directory without a run, or with a whole one; where one is missing or given twice, which it names;
    and where they are not of one run, with what differs. BadInputError for a description that is damaged.
    """
    found: dict[int, Path] = {}
    stored: dict[int, Description] = {}
    of: tuple[int, Path] | None = None
    for root in roots:
        check_run("merge", root)
        description = RunDirectory(root).description()
        assert description is not None
        held = shard_in(description)
        if held is None:
            raise UsageError(f"{root} holds a whole run, not a shard of one. Leave it out.")
        of = of or (held.of, root)
        if held.of != of[0]:
            raise UsageError(f"{of[1]} is one of {of[0]} shards, {root} one of {held.of}: they are not of one run.")
        if held.number in found:
            raise UsageError(f"Shard {held} is given twice: {found[held.number]} and {root}.")
        found[held.number], stored[held.number] = root, description
    if of is None:
        raise UsageError("Which shards? Give the directory of each.")
    missing = [f"{number}/{of[0]}" for number in range(1, of[0] + 1) if number not in found]
    if missing:
        raise UsageError(_missing(missing))
    numbers = sorted(found)
    for number in numbers[1:]:
        _check_same(found[1], stored[1], found[number], stored[number])
    return Parts([RunDirectory(found[number]) for number in numbers], [stored[number] for number in numbers])


_NAMED = 8


def _missing(shards: Sequence[str]) -> str:
    more = f" and {len(shards) - _NAMED} more" if len(shards) > _NAMED else ""
    one = len(shards) == 1
    return f"{'Shard' if one else 'Shards'} {', '.join(shards[:_NAMED])}{more} {'is' if one else 'are'} missing."


def _check_same(first: Path, one: Description, second: Path, other: Description) -> None:
    held, asked = one["identity"], other["identity"]
    found = differences(held["run"], asked["run"])
    for part in ("targets", "conditions"):
        for name in held[part].keys() & asked[part].keys():
            found.extend(differences(held[part][name], asked[part][name], name))
        if set(one["asked"][part]) != set(other["asked"][part]):
            more = sorted(set(one["asked"][part]) ^ set(other["asked"][part]))
            found.append(f"{part} ({', '.join(more[:_NAMED])}{', ...' if len(more) > _NAMED else ''})")
    if found:
        raise UsageError(
            f"{first} and {second} are not shards of one run; they differ in: {', '.join(sorted(found))}. Run one of "
            "them again with the command of the other, on such a machine."
        )

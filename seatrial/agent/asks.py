"""What the host may ask of a board: {"id", "ask", ...}, and who answers.

lease {"wait_s": seconds, null for ever}: {"held": true, "put_out": owner or null} or {"held": false, "owner", "user",
    "since", "expires"} (unix seconds); while it waits the latter with "more": true, whenever the holder is another.
start {"engine", "lanes", "memory_bytes" or null}: {"pid"}. Needs the lease.
blob {"sha256", "size"}: {"done": true}, or first {"more": true, "lane", "have"}: BLOB frames of that lane carry the
    rest.

Those of JOBS run in threads (`agent.jobs.Job`), and may tell with {"more": true, "note"} how far they are. What is
refused is answered by {"error", "says"}, error being one of `agent.refusals`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seatrial.agent.fields import Fields, seconds, text, whole
from seatrial.agent.refusals import BAD_ASK, BUSY, RefusedError

if TYPE_CHECKING:
    from seatrial.agent.supervisor import Supervisor

MOST_LANES = 64
MOST_ENGINES = 64
MOST_JOBS = 8
_MOST_NUMBER = (1 << 16) - 1
_MOST_BYTES = 1 << 60

# MODULE:FUNCTION, imported when it is asked for.
JOBS: dict[str, str] = {
    "link": "seatrial.agent.link:link",
    "setup": "seatrial.agent.setup:setup",
    "survey": "seatrial.agent.survey:survey",
}


def answer(board: Supervisor, number: int, fields: Fields) -> None:
    """Answers an ask now or later; RefusedError where it is not done."""
    name = text(fields, "ask", 64)
    if name in ASKS:
        ASKS[name](board, number, fields)
    elif name in JOBS:
        board.begin_job(number, JOBS[name], fields)
    else:
        raise RefusedError(BAD_ASK, f"This board knows no ask {name!r}.")


def _lease(board: Supervisor, number: int, fields: Fields) -> None:
    board.wait_for_lease(number, None if fields.get("wait_s", 0) is None else seconds(fields, "wait_s"))


def _start(board: Supervisor, number: int, fields: Fields) -> None:
    limit = fields.get("memory_bytes")
    pid = board.start(
        whole(fields, "engine", 1, _MOST_NUMBER),
        whole(fields, "lanes", 1, MOST_LANES),
        None if limit is None else whole(fields, "memory_bytes", 1, _MOST_BYTES),
    )
    board.answer(number, {"pid": pid})


def _blob(board: Supervisor, number: int, fields: Fields) -> None:
    board.begin_upload(number, text(fields, "sha256", 64), whole(fields, "size", 0, _MOST_BYTES))


ASKS: dict[str, Callable[[Supervisor, int, Fields], None]] = {"lease": _lease, "start": _start, "blob": _blob}


def check_room(there: int, most: int, what: str) -> None:
    """RefusedError where there are as many as may be at once."""
    if there >= most:
        raise RefusedError(BUSY, f"{most} {what} at once are the most.")

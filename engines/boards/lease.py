"""One holder of a board at a time."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from seatrial.engines.boards.connection import AskRefusedError, Connection
from seatrial.engines.boards.words import plain
from seatrial.errors import UnsupportedError

# Of a board that lives and does not answer.
_PATIENCE_S = 60.0
_LOG = logging.getLogger("seatrial")


def hold(connection: Connection, wait_s: float | None) -> None:
    """Holds the board for as long as the connection lasts. wait_s: as of `Places`.

    UnsupportedError where another holds it, or where nobody can.
    """
    name = connection.board.name
    try:
        answer = connection.ask(
            "lease",
            more=lambda answer: _LOG.warning("Board %s is held by %s; waiting.", name, _holder(answer)),
            timeout_s=None if wait_s is None else wait_s + _PATIENCE_S,
            wait_s=wait_s,
        )
    except AskRefusedError as error:
        raise UnsupportedError(str(error)) from None
    if answer.get("held") is not True:
        waited = "" if wait_s == 0 else f" and was not let go within {wait_s:g} s"
        raise UnsupportedError(
            f"Board {name} is held by {_holder(answer)}{waited}. Try again later, or wait for it with --wait."
        )
    if put_out := answer.get("put_out"):
        _LOG.warning("Board %s: what was left of %s, whose lease had expired, was ended.", name, plain(str(put_out)))


def _holder(answer: dict[str, Any]) -> str:
    owner = plain(str(answer.get("owner") or "somebody"))
    facts = [f"there as {plain(str(answer['user']))}"] if answer.get("user") else []
    expires = answer.get("expires")
    if isinstance(expires, int | float) and math.isfinite(expires):
        left = expires - time.time()
        facts.append(f"lease expires in {left:.0f} s" if left >= 0 else f"lease expired {-left:.0f} s ago")
    return f"{owner} ({', '.join(facts)})" if facts else owner

"""Whether a board can be used: what is there, and what the link to it gives."""

from __future__ import annotations

import time
from typing import Any

from seatrial.engines.boards import Board, lease
from seatrial.engines.boards.agent import asks
from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.setup import Environment, look
from seatrial.engines.boards.speed import measure
from seatrial.engines.machine.shape import fit, whole, word
from seatrial.errors import SeatrialError
from seatrial.harness.doctor.examine import examine_board

SCHEMA = 1
_SAID = {
    **dict.fromkeys(("seatrial", "python", "machine", "system", "release", "user", "host"), word),
    **dict.fromkeys(("cores", "memory_bytes", "cache_free_bytes"), whole),
}
# Off by more, certificates and the times of files are wrong.
_CLOCK_S = 60.0


def check_board(board: Board, timeout_s: float) -> dict[str, Any]:
    """What `board check --json` prints. usable: a run can use it now, with all the engines that its description names;
    problems: why not. free: nobody else holds it; else it is not measured, nor are its engines asked. What is missing
    was not reached.
    """
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "board": board.name,
        "destination": board.destination,
        "cautions": [],
        "problems": [],
    }
    begin = time.perf_counter()
    try:
        with Connection(board) as connection:
            found |= {"connect_s": round(time.perf_counter() - begin, 3), **fit(dict(connection.hello), _SAID)}
            for step in (_there, _held, _link, _engines):
                step(board, connection, found, timeout_s)
    except SeatrialError as error:
        found["problems"].append(str(error))
    return {**found, "usable": not found["problems"]}


def _there(board: Board, connection: Connection, found: dict[str, Any], timeout_s: float) -> None:
    there = look(board, connection)
    ahead = there.time - time.time()
    if abs(ahead) > _CLOCK_S:
        found["cautions"].append(f"Its clock is {ahead:+.0f} s off this machine's.")
    found |= {
        "model": there.interpreter.board,
        "free_bytes": there.free_bytes,
        "cache": dict(there.cache),
        "environment": None if there.environment is None else _environment(there.environment),
        "clock_ahead_s": round(ahead, 1),
    }


def _held(board: Board, connection: Connection, found: dict[str, Any], timeout_s: float) -> None:
    found["free"] = False
    lease.hold(connection, 0)
    found["free"] = True


def _link(board: Board, connection: Connection, found: dict[str, Any], timeout_s: float) -> None:
    found["link"] = measure(connection).to_dict()


def _engines(board: Board, connection: Connection, found: dict[str, Any], timeout_s: float) -> None:
    examined = examine_board(asks(connection), found["cache"], (), timeout_s)
    found |= {"engines": examined["engines"], "machine_state": examined["machine"]}
    found["cautions"] += examined["cautions"]
    missing = [one for one in examined["engines"] if one["name"] in board.engines and not one["usable"]]
    found["problems"] += [f"{one['name']}: {one['missing']}" for one in missing]
    if missing and board.python is None:
        found["problems"].append(f"What is missing is installed by: bench.py board setup {board.name}")


def _environment(made: Environment) -> dict[str, Any]:
    return {"path": made.path, "bytes": made.bytes, "packages": dict(made.packages)}

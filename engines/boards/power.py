"""A board that does not answer is switched off and on, by a command of the user's."""

from __future__ import annotations

import logging
import subprocess

from seatrial import child
from seatrial.engines.boards.board import Board
from seatrial.engines.boards.words import plain
from seatrial.errors import DeviceError, UnsupportedError

_LOG = logging.getLogger("seatrial")
_COMMAND_S = 120.0


def switch(board: Board) -> None:
    """Runs `board.power_cycle`, without a shell; DeviceError where it fails."""
    _LOG.warning("Board %s does not answer; it is switched off and on: %s", board.name, " ".join(board.power_cycle))
    try:
        process = child.start(
            board.power_cycle, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except UnsupportedError as error:
        raise DeviceError(f"Board {board.name} does not answer, and its power_cycle fails: {error}") from None
    try:
        said, _ = process.communicate(timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        child.kill(process)
        process.communicate()
        raise DeviceError(f"Board {board.name}: its power_cycle did not end within {_COMMAND_S:g} s.") from None
    finally:
        child.kill(process)
        process.wait()
    if process.returncode:
        raise DeviceError(
            f"Board {board.name} does not answer, and its power_cycle ended with exit status {process.returncode}: "
            f"{plain(said.decode('utf-8', 'replace'), last=True)}"
        )

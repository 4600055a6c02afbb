"""The user's own ssh: how it is called, and what it says where it fails."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from seatrial.engines.boards.board import Board
from seatrial.errors import DeviceError, SeatrialError, UnsupportedError

# Nobody is there who could be asked, nothing is forwarded, and no ssh stays behind that others would share. All else,
# above all which host keys are known, is as the user has it.
_ALWAYS = ("BatchMode=yes", "ClearAllForwardings=yes", "ControlMaster=no", "ControlPersist=no", "RemoteCommand=none")
# Unless the board's own arguments say otherwise: ssh takes what it is told first.
_ELSE = ("ConnectTimeout=15", "ServerAliveInterval=5", "ServerAliveCountMax=3")


# Exit status of a shell that does not find what it is to run, or may not.
_NO_COMMAND = (126, 127)


class UnreachableError(DeviceError):
    """Nothing answers as a board does: it may be off, or hang."""


def command(board: Board, remote: str) -> list[str]:
    """Runs `remote` in the board's login shell, with this process's streams as its own."""
    return [
        *("ssh", "-T"),
        *_options(_ALWAYS),
        *board.ssh,
        *_options(_ELSE),
        *(["-C"] if board.compress else []),
        *("--", board.destination, remote),
    ]


def by_hand(board: Board) -> str:
    """What a person types to reach the board."""
    return shlex.join(["ssh", *board.ssh, "--", board.destination])


def failure(board: Board, status: int | None, said: str, printed: str = "") -> SeatrialError:
    """Why ssh ended, or the board never answered as one. status: ssh's, None where it still ran. said: its standard
    error. printed: what came where the board's own words should.
    """
    said = "\n".join(text for text in (said, printed) if text)
    words = "".join(f"\n    {line}" for line in said.splitlines()) or " ssh said nothing."
    if status in _NO_COMMAND:
        return UnsupportedError(
            f"Board {board.name} has no Python at {board.python or 'python3'}. `board setup {board.name}` makes one, "
            f"or name another as `python` in boards.yaml.{words}"
        )
    for signs, error, advice in _KNOWN:
        if any(sign in said for sign in signs):
            return error(f"Board {board.name}: {advice.format(hand=by_hand(board))}{words}")
    state = "did not answer in time" if status is None else f"ended with exit status {status}"
    return UnreachableError(f"Board {board.name}: ssh {state}. Try by hand: {by_hand(board)}{words}")


def _options(options: Sequence[str]) -> list[str]:
    return [word for option in options for word in ("-o", option)]


_KNOWN: tuple[tuple[tuple[str, ...], type[SeatrialError], str], ...] = (
    (
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", "HOST IDENTIFICATION HAS CHANGED"),
        UnsupportedError,
        "its host key is not the one that is known: another machine answers, or it was set up anew. Nothing was sent. "
        "If that is expected, remove the old key as ssh says below.",
    ),
    (
        ("Host key verification failed", "No matching host key", "host key is known for"),
        UnsupportedError,
        "its host key is not known here. Nothing was sent. Look at the key once and accept it by hand: {hand}",
    ),
    (
        ("Permission denied", "Too many authentication failures", "no mutual signature"),
        UnsupportedError,
        "ssh was not let in. It must get in without being asked anything (a key, an agent): {hand}",
    ),
    (
        ("Bad configuration option", "Bad owner or permissions", "Can't open user config file", "unknown option"),
        UnsupportedError,
        "ssh's configuration is refused.",
    ),
    (
        ("Could not resolve hostname", "Name or service not known"),
        UnreachableError,
        "there is no such host. It takes the name of a Host in ~/.ssh/config, or its address in boards.yaml.",
    ),
    (
        ("Connection refused",),
        UnreachableError,
        "it is there, and refuses connections: is its ssh server running?",
    ),
    (
        ("timed out", "No route to host", "Network is unreachable", "Host is down"),
        UnreachableError,
        "it does not answer: is it on, and in the network?",
    ),
)

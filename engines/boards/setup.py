"""What a board needs for its engines, installed there; and what there is already."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seatrial.agent.setup import NO_INDEX
from seatrial.engines.boards.agent import Agent
from seatrial.engines.boards.board import Board
from seatrial.engines.boards.connection import AskRefusedError
from seatrial.engines.boards.wheels import Interpreter, check_python, download, interpreter_of, requirements
from seatrial.engines.boards.words import plain
from seatrial.errors import DeviceError, UnsupportedError

Say = Callable[[str], None]
_LOG = logging.getLogger("seatrial")

# A Raspberry Pi unpacks and compiles for minutes; a slow link carries a runtime for as long.
_INSTALL_S = 3600.0
_LOOK_S = 60.0
_MOST_PACKAGES = 1000
_LONGEST = 4000


@dataclasses.dataclass(frozen=True)
class Environment:
    """What setup made there: its folder, the packages in it (name -> version), its bytes; and what was asked of it."""

    path: str
    packages: Mapping[str, str]
    bytes: int
    requirements: tuple[str, ...]
    system_site_packages: bool | None
    python: str | None


@dataclasses.dataclass(frozen=True)
class Found:
    """environment: None where setup has made none. free_bytes: where it lies. cache: path, files, bytes. time: the
    board's clock, in seconds since 1970.
    """

    interpreter: Interpreter
    environment: Environment | None
    free_bytes: int
    cache: Mapping[str, Any]
    time: float


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked of an environment; there: whether it is there already."""

    requirements: tuple[str, ...]
    system_site_packages: bool
    there: bool


@dataclasses.dataclass(frozen=True)
class Installed:
    """changed: packages that are new or of another version. fetched_here: whether this machine fetched them.
    sent: bytes that went to the board for it.
    """

    environment: Environment
    changed: Mapping[str, str]
    fetched_here: bool
    sent: int
    seconds: float


def look(board: Board, agent: Agent) -> Found:
    """What is there; changes nothing."""
    told = agent.ask("setup", step="look", timeout_s=_LOOK_S)
    try:
        cache = told["cache"]
        return Found(
            interpreter_of(told["interpreter"]),
            _environment_of(told["environment"]),
            int(told["free_bytes"]),
            {"path": _text(cache["path"]), "files": int(cache["files"]), "bytes": int(cache["bytes"])},
            float(told["time"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(board, error) from error


def wanted(board: Board, found: Found, packages: Iterable[str] = ()) -> Wanted:
    """What the board's engines need there. packages: further specifiers.

    UnsupportedError where the board cannot have it.
    """
    check_python(found.interpreter, f"Board {board.name}")
    needs = tuple(requirements(board.engines, found.interpreter, packages))
    seen = board.system_site_packages
    if seen is None:
        seen = found.interpreter.tensorrt is not None
    made = found.environment
    python = f"{found.interpreter.version[0]}.{found.interpreter.version[1]}"
    there = made is not None and (made.requirements, made.system_site_packages, made.python) == (needs, seen, python)
    return Wanted(needs, seen, there)


def install(board: Board, agent: Agent, found: Found, asked: Wanted, *, offline: bool, say: Say) -> Installed:
    """Makes the environment and fills it. offline: this machine fetches the packages; else the board's own pip does,
    and this machine where that reaches no index. say: takes sentences on the way.
    """
    where = f"Board {board.name}"
    sent = 0
    if not offline:
        wheels = None
        if not found.interpreter.ensurepip:
            wheels = _send(agent, ["pip"], found, where)
            sent = wheels.bytes
            say(f"{where}: its Python has no pip (Debian: apt install python3-venv); one was sent.")
        try:
            return _installed(board, _ask(agent, asked, wheels, index=True, say=say), fetched_here=False, sent=sent)
        except AskRefusedError as error:
            if error.kind != NO_INDEX:
                raise _refused(board, error) from None
            _LOG.warning("%s\nIts pip reaches no package index: the wheels are fetched here and sent.", error)
    wheels = _send(agent, ["pip", *asked.requirements], found, where)
    say(f"{where}: {len(wheels.digests)} wheels were sent, {wheels.bytes / 1e6:.1f} MB.")
    try:
        told = _ask(agent, asked, wheels, index=False, say=say)
    except AskRefusedError as error:
        raise _refused(board, error) from None
    return _installed(board, told, fetched_here=True, sent=sent + wheels.bytes)


def remove(board: Board, agent: Agent) -> tuple[list[str], int]:
    """Takes away all that seatrial has there: folders, and their bytes."""
    try:
        told = agent.ask("setup", step="remove", timeout_s=_INSTALL_S)
    except AskRefusedError as error:
        raise _refused(board, error) from None
    try:
        return [_text(folder) for folder in told["removed"][:10]], int(told["bytes"])
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(board, error) from error


@dataclasses.dataclass(frozen=True)
class _Wheels:
    digests: Mapping[str, str]
    bytes: int


def _send(agent: Agent, names: list[str], found: Found, where: str) -> _Wheels:
    digests, size = {}, 0
    with tempfile.TemporaryDirectory(prefix="seatrial-wheels-") as folder:
        for path in download(names, found.interpreter, where, Path(folder), _INSTALL_S):
            content = path.read_bytes()
            digests[path.name] = agent.give(content)
            size += len(content)
    return _Wheels(digests, size)


def _ask(agent: Agent, asked: Wanted, wheels: _Wheels | None, *, index: bool, say: Say) -> Mapping[str, Any]:
    return agent.ask(
        "setup",
        step="install",
        requirements=list(asked.requirements),
        system_site_packages=asked.system_site_packages,
        index=index,
        wheels=None if wheels is None else dict(wheels.digests),
        seconds=_INSTALL_S,
        timeout_s=None,
        more=lambda answer: say(plain(str(answer.get("note")))),
    )


def _installed(board: Board, told: Mapping[str, Any], *, fetched_here: bool, sent: int) -> Installed:
    try:
        environment = _environment_of(told["environment"])
        if environment is None:
            raise ValueError("no environment")
        return Installed(environment, _packages(told["changed"]), fetched_here, sent, float(told["seconds"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(board, error) from error


def _environment_of(told: Any) -> Environment | None:
    if told is None:
        return None
    asked = told["asked"]
    seen, python = asked.get("system_site_packages"), asked.get("python")
    return Environment(
        _text(told["path"]),
        _packages(told["packages"]),
        int(told["bytes"]),
        tuple(_text(one) for one in asked.get("requirements", [])),
        seen if isinstance(seen, bool) else None,
        None if python is None else _text(python),
    )


def _packages(told: Any) -> dict[str, str]:
    return {_text(name): _text(version) for name, version in list(told.items())[:_MOST_PACKAGES]}


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > _LONGEST:
        raise ValueError(f"{told!r:.80} is no text")
    return told


def _refused(board: Board, error: AskRefusedError) -> UnsupportedError:
    return UnsupportedError(f"Board {board.name} could not be set up. {error}")


def _malformed(board: Board, error: Exception) -> DeviceError:
    return DeviceError(f"Board {board.name} told of its setup what cannot be read: {error!r:.200}")

"""`bench.py board`: boards set up, checked and listed."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.bounds import above_zero
from seatrial.engines import ENGINES
from seatrial.engines.boards import Board
from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.place import BoardPlace
from seatrial.engines.boards.places import Places
from seatrial.engines.boards.setup import Installed, install, look, remove, wanted
from seatrial.errors import EXIT_PASSED, EXIT_UNAVAILABLE, SeatrialError, UsageError
from seatrial.harness.command.flags import boards
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.doctor.board import SCHEMA, check_board
from seatrial.harness.doctor.examine import DEFAULT_TIMEOUT_S
from seatrial.harness.progress import Progress
from seatrial.harness.report.board import print_boards, print_check, print_setup
from seatrial.harness.spec.boards import boards_file, described, read_boards
from seatrial.harness.typeset.terminal import put

_DESCRIPTION = """Boards that `--board` names: what they need is installed there, what they have is looked at. A board
is reached by your own ssh: its name is a Host of your ssh configuration, or an entry of boards.yaml."""

_EXAMPLES = """examples:
  bench.py board setup pi5                      a Python environment there, with NumPy and ONNX Runtime
  bench.py board setup orin --engine tensorrt   with what TensorRT of JetPack needs beside it
  bench.py board setup pi5 --dry-run            says what would be done
  bench.py board setup pi5 --offline            the board reaches no package index: wheels come from here
  bench.py board setup pi5 --remove             takes all of it away again
  bench.py board check pi5                      versions, engines, the link, who holds it
  bench.py board check pi5 --json | jq .usable
  bench.py board list --probe                   the boards of boards.yaml, and which of them answer

setup changes nothing outside ~/.local/share/seatrial and ~/.cache/seatrial, and needs no root. Exit status: 0 done, or
usable; 2 usage; 3 a board that is not reached, held by another, or that lacks an engine."""

_Show = Callable[[Mapping[str, Any], Console], None]
_OF: Mapping[str, tuple[str, ...]] = {
    "setup": ("engine", "package", "python", "offline", "dry_run", "remove", "wait"),
    "check": ("timeout",),
    "list": ("probe",),
}


def make_parser() -> Parser:
    """The parser of `board`."""
    parser = Parser("board", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("action", choices=tuple(_OF), help="what is done")
    parser.add_argument("name", nargs="*", metavar="NAME", help="the board; of `list`, any number")
    boards.add(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else on standard output")
    setup = parser.add_argument_group("of setup")
    setup.add_argument(
        "--engine", action="append", metavar="NAME", help="repeatable: for these engines, not those of boards.yaml"
    )
    setup.add_argument(
        "--package", action="append", metavar="SPEC", help="repeatable: also that package, such as onnxruntime==1.23.2"
    )
    setup.add_argument("--python", metavar="PATH", help="of the board, which the environment is made of")
    setup.add_argument("--offline", action="store_true", help="fetch the wheels here and send them")
    setup.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    setup.add_argument("--remove", action="store_true", help="take the environment and the cache away")
    check = parser.add_argument_group("of check")
    check.add_argument(
        "--timeout", type=float, metavar="S", help=f"for each engine to answer (default: {DEFAULT_TIMEOUT_S:g})"
    )
    listed = parser.add_argument_group("of list")
    listed.add_argument("--probe", action="store_true", help="ask each whether it answers")
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Does it and prints; the command's exit status."""
    action, names = flags["action"], list(flags.get("name", []))
    for other, own in _OF.items():
        for flag in own:
            if other != action and flag in flags:
                raise UsageError(f"--{flag.replace('_', '-')} belongs to `board {other}`, not to `board {action}`.")
    known = read_boards(flags.get("boards"))
    if action == "list":
        return _list(known, names, flags, console)
    if len(names) != 1:
        raise UsageError(f"`board {action}` takes the name of one board: `board {action} pi5`.")
    board = described(names, known)[names[0]]
    return {"setup": _setup, "check": _check}[action](board, flags, progress, console)


def _check(board: Board, flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    timeout_s = flags.get("timeout", DEFAULT_TIMEOUT_S)
    above_zero(timeout=timeout_s)
    found = check_board(board, timeout_s)
    _print(found, flags, console, print_check)
    return EXIT_PASSED if found["usable"] else EXIT_UNAVAILABLE


def _setup(board: Board, flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    if board.python is not None:
        raise UsageError(
            f"Board {board.name} has a Python of its own ({board.python}, in boards.yaml): setup installs nothing into "
            "it. Install NumPy and the runtimes there, or leave `python` out."
        )
    if engines := flags.get("engine"):
        board = dataclasses.replace(board, engines=tuple(dict.fromkeys(map(ENGINES.canonical, engines))))
    board = dataclasses.replace(board, python=flags.get("python"))
    with Places({board.name: board}, flags.get("wait", 0)) as places:
        place = places.of(board.name)
        assert isinstance(place, BoardPlace)
        done = _done(board, place.connection, flags, progress)
    _print({"schema": SCHEMA, "board": board.name, **done}, flags, console, print_setup)
    return EXIT_PASSED


def _done(board: Board, connection: Connection, flags: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    dry = flags.get("dry_run", False)
    found = look(board, connection)
    before = None if found.environment is None else found.environment.path
    if flags.get("remove", False):
        there = found.cache["bytes"] + (0 if found.environment is None else found.environment.bytes)
        folders = [found.cache["path"], *([] if before is None else [before])]
        if not dry:
            folders, there = remove(board, connection)
        return {"did": "would remove" if dry else "removed", "folders": folders, "bytes": there}
    asked = wanted(board, found, flags.get("package", []))
    plan = {"requirements": list(asked.requirements), "system_site_packages": asked.system_site_packages}
    if asked.there:
        return {"did": "nothing", **plan, "environment": before}
    if dry:
        return {"did": "would install", **plan, "environment": before, "python": found.interpreter.base}
    with progress.stage(f"setting up {board.name}", 0, "steps") as update:
        steps = itertools.count(1)
        done = install(
            board,
            connection,
            found,
            asked,
            offline=flags.get("offline", False),
            say=lambda sentence: update(next(steps), sentence),
        )
    return _told(done, plan)


def _told(done: Installed, plan: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "did": "installed",
        **plan,
        "environment": done.environment.path,
        "bytes": done.environment.bytes,
        "changed": dict(done.changed),
        "packages": dict(done.environment.packages),
        "fetched_here": done.fetched_here,
        "sent_bytes": done.sent,
        "seconds": round(done.seconds, 1),
    }


def _list(known: Mapping[str, Board], names: Sequence[str], flags: Mapping[str, Any], console: Console) -> int:
    chosen = described(names, known) if names else known
    answers: dict[str, str | None] = {}
    if flags.get("probe", False):
        with ThreadPoolExecutor(max(1, len(chosen))) as pool:
            answers = dict(zip(chosen, pool.map(_problem, chosen.values()), strict=True))
    file = flags.get("boards") or boards_file()
    found = {
        "schema": SCHEMA,
        "file": None if file is None else str(Path(file)),
        "boards": [
            {
                "name": board.name,
                "destination": board.destination,
                "engines": list(board.engines),
                **({"answers": answers[name] is None, "problem": answers[name]} if answers else {}),
            }
            for name, board in chosen.items()
        ],
    }
    _print(found, flags, console, print_boards)
    return EXIT_UNAVAILABLE if any(answers.values()) else EXIT_PASSED


def _problem(board: Board) -> str | None:
    """Why it does not answer; None where it does."""
    try:
        Connection(board).close()
    except SeatrialError as error:
        return str(error)
    return None


def _print(
    found: Mapping[str, Any],
    flags: Mapping[str, Any],
    console: Console,
    show: Callable[[Mapping[str, Any], Console], None],
) -> None:
    if flags.get("json", False):
        put(console, json.dumps(found, indent=2) + "\n")
    else:
        show(found, console)

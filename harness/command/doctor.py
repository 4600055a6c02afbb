"""`bench.py doctor`: its flags, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from seatrial.bounds import above_zero
from seatrial.engines import ENGINES
from seatrial.engines.boards.agent import asks
from seatrial.engines.boards.place import BoardPlace
from seatrial.engines.boards.places import Places
from seatrial.engines.boards.setup import look
from seatrial.engines.boards.wheels import INSTALLS
from seatrial.errors import EXIT_PASSED, EXIT_UNAVAILABLE
from seatrial.harness.command.flags import boards
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.doctor import examine
from seatrial.harness.doctor.examine import DEFAULT_TIMEOUT_S, examine_board
from seatrial.harness.progress import Progress
from seatrial.harness.report.doctor import print_doctor
from seatrial.harness.spec.boards import described, read_boards
from seatrial.harness.typeset.terminal import put

_DESCRIPTION = """Looks which engines, precisions and devices are usable on this machine or a board, what is missing,
and which line installs it. Each engine's runtime is asked in a process of its own: that it crashes or hangs is an
answer, too."""

_EXAMPLES = """examples:
  bench.py doctor                           everything
  bench.py doctor --engine trt              that engine alone, and exit status 3 where it is not usable
  bench.py doctor --json                    the same for scripts, and nothing else on standard output
  bench.py doctor --board pi5               the same on a board
  bench.py doctor --json | jq -r '.engines[] | select(.usable) | .name'

In the JSON, `precisions` and `devices` are what is usable here, `on` has each device, with what it refuses and why, and
`offers` is what the engine has on some machine. Exit status: 0 looked; 2 usage; 3 an engine that was named is not
usable here."""


def make_parser() -> Parser:
    """The parser of `bench.py doctor`."""
    parser = Parser("doctor", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--engine", action="append", metavar="NAME", help=f"repeatable: {', '.join(ENGINES)}")
    parser.add_argument("--board", metavar="NAME", help="look on that board instead of this machine")
    boards.add(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        help=f"seconds that an engine may take to answer (default: {DEFAULT_TIMEOUT_S:g})",
    )
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Looks and prints; the command's exit status."""
    named, timeout_s = flags.get("engine", []), flags.get("timeout", DEFAULT_TIMEOUT_S)
    above_zero(timeout=timeout_s)
    found = examine(named, timeout_s) if "board" not in flags else _on_board(flags, named, timeout_s)
    if flags.get("json", False):
        put(console, json.dumps(found, indent=2) + "\n")
    else:
        print_doctor(found, console, brief=bool(named) or "board" in flags)
    return EXIT_UNAVAILABLE if named and not all(engine["usable"] for engine in found["engines"]) else EXIT_PASSED


def _on_board(flags: Mapping[str, Any], named: Sequence[str], timeout_s: float) -> dict[str, Any]:
    board = described([flags["board"]], read_boards(flags.get("boards")))[flags["board"]]
    with Places({board.name: board}, flags.get("wait", 0)) as places:
        place = places.of(board.name)
        assert isinstance(place, BoardPlace)
        cache = look(board, place.connection).cache
        found = examine_board(asks(place.connection), cache, named, timeout_s)
    for engine in found["engines"]:
        if engine["missing"] and board.python is None and engine["name"] in INSTALLS:
            engine["install"] = f"bench.py board setup {board.name} --engine {engine['name']}"
    return {"board": board.name, **found}

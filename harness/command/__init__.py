"""The command line: commands, their flags and configuration files, turned into specs and run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from seatrial.errors import UsageError
from seatrial.harness.command.config import arguments_of, read_config
from seatrial.harness.command.flags.parser import Parser, program
from seatrial.harness.command.flags.written import refuse_overwriting
from seatrial.harness.progress import Progress
from seatrial.harness.report.progress import Warnings
from seatrial.text import choices

# Each is a module here with `make_parser()` and `execute(flags, progress, console)`.
COMMANDS = (
    "run",
    "export",
    "contract",
    "quantize",
    "build",
    "diff",
    "trial",
    "merge",
    "compare",
    "report",
    "runs",
    "board",
    "doctor",
)
# They print what a run found, or less of it.
OF_A_RUN = ("run", "report", "merge")

Job = Callable[[Progress, Console], int]


def parse(arguments: Sequence[str]) -> Job:
    """Arguments without the program's name -> what they ask for, which returns the exit status when it is called.

    The word `run` may be left out. UsageError for what cannot be meant, SystemExit(0) after --help.
    """
    words = list(arguments)
    name = words.pop(0) if words and not words[0].startswith("-") else "run"
    if name not in COMMANDS:
        raise UsageError(f"Unknown command {name!r}. {choices(name, COMMANDS)} See `{program()} --help`.")
    command = importlib.import_module(f"seatrial.harness.command.{name}")
    flags = parse_flags(command.make_parser(), words)
    refuse_overwriting(flags)
    quiet = flags.get("quiet", False) if name in OF_A_RUN else flags.pop("quiet", False)

    def job(progress: Progress, console: Console) -> int:
        return int(command.execute(flags, Warnings() if quiet else progress, console))

    return job


def parse_flags(parser: Parser, words: Sequence[str]) -> dict[str, Any]:
    """The flags that are given, those of a --config file included, by their names in Python."""
    typed = parser.given(words)
    config = typed.pop("config", None)
    file = {} if config is None else flags_of(parser, read_config(config), f"--config {config}")
    if "bits" in typed or "precision" in typed:  # two spellings of one thing: what is typed overrides both
        file = {name: value for name, value in file.items() if name not in ("bits", "precision")}
    return {**file, **typed}


def flags_of(parser: Parser, pairs: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Pairs of flags and values as if they had been typed; `where` names them in errors."""
    known = {option.lstrip("-") for option in parser._option_string_actions if option.startswith("--")}
    switches = {action.option_strings[0].lstrip("-") for action in parser._actions if action.nargs == 0}
    return parser.given(arguments_of(pairs, known, switches, where))

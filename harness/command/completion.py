"""All commands as one parser, of which `shtab` makes the completion of a shell."""

from __future__ import annotations

import argparse
import importlib

from seatrial.harness.command import COMMANDS


def parser() -> argparse.ArgumentParser:
    """`seatrial COMMAND [flags]`, and the flags of `run` without the word."""
    whole = argparse.ArgumentParser(
        prog="seatrial", parents=[_flags("run")], add_help=False, conflict_handler="resolve"
    )
    commands = whole.add_subparsers(dest="command", parser_class=argparse.ArgumentParser)
    for name in COMMANDS:
        commands.add_parser(
            name, parents=[_flags(name)], add_help=False, help=name
        )  # shtab leaves out what has no help
    return whole


def _flags(name: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = importlib.import_module(f"seatrial.harness.command.{name}").make_parser()
    return made

"""How the host starts an agent: the command for the board's shell, and what it sends first."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

# The board's lines begin so; any other line is what a start-up file printed.
MAGIC = b"seatrial boot "

_OWN_PYTHON = "$HOME/.local/share/seatrial/venv/bin/python"
# Runs the first line of standard input, read byte by byte.
_READ = "import os; exec(bytes(iter(lambda: os.read(0, 1)[0], 10)))"


def remote(python: str | None) -> str:
    """The last argument of ssh. Any shell takes it: one line, in which nothing but quotes is special to csh or fish.

    python: its path on the board, which may begin with `~/`; None for the one that `board setup` made, else python3.
    """
    if python is None:
        script = f'p="{_OWN_PYTHON}"; [ -x "$p" ] || p=python3; exec "$p" -c "{_READ}"'
    else:
        home, rest = ('"$HOME"/', python[2:]) if python.startswith("~/") else ("", python)
        script = f'exec {home}{shlex.quote(rest)} -c "{_READ}"'
    return f"exec sh -c {shlex.quote(script)}"


def greeting(digest: str, size: int) -> bytes:
    """What is sent first: the text of `agent.boot`, and which archive is to run.

    digest: its SHA-256, as hex. size: in bytes.
    """
    # A string of JSON is one of Python's, and has no line's end in it.
    text = json.dumps((Path(__file__).parent / "boot.py").read_text(encoding="ascii"))
    return f"exec({text})\n{json.dumps({'digest': digest, 'size': size})}\n".encode()

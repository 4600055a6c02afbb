"""The first steps of an engine's process on a board: it ends with its agent, whatever the engine holds up."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(agent: int, module: str, arguments: list[Any]) -> None:
    """Calls `main(*arguments)` of a module. agent: the process that started this one."""
    end_with_the_parent()
    if os.getppid() != agent:  # gone before that held
        os._exit(0)
    importlib.import_module(module).main(*arguments)


def end_with_the_parent() -> None:
    """Where Linux has it, the system ends this process when its parent's thread ends (prctl, PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

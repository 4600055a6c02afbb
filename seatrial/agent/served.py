"""The first steps of an engine's process on a board: it ends with its agent, whatever the engine holds up."""

from __future__ import annotations

import importlib
import os
from typing import Any

from seatrial.agent.prctl import end_with_the_parent


def main(agent: int, module: str, arguments: list[Any]) -> None:
    """Calls `main(*arguments)` of a module. agent: the process that started this one."""
    end_with_the_parent()
    if os.getppid() != agent:  # gone before that held
        os._exit(0)
    importlib.import_module(module).main(*arguments)

"""What a board's engines can do, and how the machine is: each asked in a process of its own there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.agent import frames
from seatrial.question import ask

_MODULES = ("seatrial.engines.survey", "seatrial.engines.machine.state")
# What is left of a frame beside the answer's other words.
_MOST = frames.MOST - 4096


def survey(message: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """`seatrial.question.ask` of one of the modules above, which the message names: `module`, `arguments`, `timeout_s`.

    The answer is the question's: `lines`, `ended`, `output`.
    """
    if message["module"] not in _MODULES:
        raise ValueError(f"{message['module']!r} is not asked on boards")
    answer = ask(message["module"], list(message["arguments"]), float(message["timeout_s"]))
    lines = list(answer.lines)
    while len(json.dumps(lines)) > _MOST:
        del lines[len(lines) // 2 :]
    return {"lines": lines, "ended": answer.ended, "output": answer.output}

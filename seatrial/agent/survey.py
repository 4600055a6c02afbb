"""What a board's engines can do, and how the machine is: each asked in a process of its own there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seatrial.agent import frames
from seatrial.agent.fields import seconds, text
from seatrial.agent.jobs import Job
from seatrial.agent.refusals import BAD_ASK, RefusedError
from seatrial.question import ask

_MODULES = ("seatrial.engines.survey", "seatrial.engines.machine.state")
# What is left of a frame beside the answer's other words.
_MOST = frames.MOST - 8192


def survey(job: Job) -> Mapping[str, Any]:
    """`seatrial.question.ask` of one of the modules above, which the host names: `module`, `arguments`, `seconds`.

    The answer is the question's: `lines`, `ended`, `output`.
    """
    module, arguments = text(job.fields, "module"), job.fields.get("arguments")
    if module not in _MODULES or not isinstance(arguments, list):
        raise RefusedError(BAD_ASK, f"{module} is not asked on boards.")
    answer = ask(module, arguments, seconds(job.fields, "seconds"), job.environment)
    lines = list(answer.lines)
    while len(json.dumps(lines)) > _MOST:
        del lines[len(lines) // 2 :]
    return {"lines": lines, "ended": answer.ended, "output": answer.output}

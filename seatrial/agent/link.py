"""What a link gives: as much as the host asks for is sent to it, and what it sends along is thrown away."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from seatrial.agent import frames
from seatrial.agent.fields import whole
from seatrial.agent.jobs import Job

# An answer's words beside its payload have room, too.
MOST_BYTES = frames.MOST - 8192
_MOST_ANSWERS = 64


def link(job: Job) -> Mapping[str, Any]:
    """answers: how many are sent before the last one; bytes: of each. Text that cannot be compressed much."""
    answers, size = whole(job.fields, "answers", 0, _MOST_ANSWERS), whole(job.fields, "bytes", 0, MOST_BYTES)
    payload = noise(size)
    for _ in range(answers):
        job.note("", payload=payload)
    return {"sent": answers * size}


def noise(size: int) -> str:
    """So many characters of chance."""
    return base64.b64encode(os.urandom(size * 3 // 4 + 3)).decode()[:size]

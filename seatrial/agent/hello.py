"""Who the two sides are: each one's first frame."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seatrial import __version__
from seatrial.agent.fields import Fields, seconds, text, whole
from seatrial.agent.folders import free_bytes
from seatrial.agent.frames import AGENT
from seatrial.agent.lease import user_name
from seatrial.agent.refusals import BAD_ASK, RefusedError
from seatrial.memory import total_memory

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_BYTES = 1 << 60


class Host(NamedTuple):
    """owner: who holds the board, in words. lease_s: so long after its last word it may be put out. silence_s: without
    a word for so long, the other side is gone. lease_file: which all who use the board name. cache_bytes: of what is
    kept, half for the host's files and half for built engines. environment: variables of engines, beside those of the
    agent.
    """

    owner: str
    lease_s: float
    silence_s: float
    lease_file: Path
    cache_bytes: int
    environment: Mapping[str, str]


def board_here(digest: str, cache: Path) -> dict[str, Any]:
    """The board's hello. digest: of the archive that this runs from. cache: the folder that the agent keeps."""
    system = os.uname()
    return {
        "agent": AGENT,
        "seatrial": __version__,
        "digest": digest,
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "machine": system.machine,
        "system": system.sysname,
        "release": system.release,
        "user": user_name(os.getuid()),
        "uid": os.getuid(),
        "host": system.nodename,
        "pid": os.getpid(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_bytes": total_memory(),
        "cache": str(cache),
        "cache_free_bytes": free_bytes(cache),
    }


def host_of(fields: Fields) -> Host:
    """The host's hello; RefusedError for one that does not fit, or is none."""
    if fields.get("agent") != AGENT or fields.get("seatrial") != __version__:
        theirs = f"seatrial {fields.get('seatrial')!r:.40} (agent {fields.get('agent')!r:.40})"
        raise RefusedError(
            BAD_ASK,
            f"The host is {theirs}, the board's agent is seatrial {__version__} (agent {AGENT}): they do not fit.",
        )
    environment = fields.get("environment")
    if not isinstance(environment, dict) or not all(map(_VARIABLE.fullmatch, environment)):
        raise RefusedError(BAD_ASK, f"{environment!r:.80} is no environment.")
    return Host(
        text(fields, "owner"),
        seconds(fields, "lease_s", 0.1),
        seconds(fields, "silence_s", 0.1),
        Path(text(fields, "lease_file")),
        whole(fields, "cache_bytes", 0, _MOST_BYTES),
        {name: text(environment, name, 1 << 16) for name in environment},
    )

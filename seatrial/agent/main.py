"""Where `agent.boot` leads: the process that has the board for one run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seatrial.agent.folders import sweep
from seatrial.agent.guardian import guarded
from seatrial.agent.supervisor import Supervisor


def main(digest: str, cache: str) -> None:
    """Serves the host on standard input and output, in a child of this process, which ends with it.

    digest: of the archive that this runs from. cache: the folder in which the agent keeps things.
    """
    guardian = guarded()
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)  # what is printed does not get among the frames
    supervisor = Supervisor(incoming, outgoing, guardian, digest, Path(cache))
    sweep(Path(cache) / "agents", digest)
    status = supervisor.run()
    sys.stderr.flush()
    os._exit(status)  # threads may still write to a slow disk

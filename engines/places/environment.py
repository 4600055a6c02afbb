"""Variables of engines' processes: what opens doors elsewhere is for those alone that must have it."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Of credentials for served endpoints: `engines.kserve.credentials`.
CREDENTIALS = "SEATRIAL_KSERVE_"


def without_credentials(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those of a process that asks no endpoint."""
    return {name: value for name, value in environment.items() if not name.startswith(CREDENTIALS)}

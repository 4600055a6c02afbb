"""What a server's own clock says of a query: Triton's statistics
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md).
"""

from __future__ import annotations

import dataclasses
from typing import Any

# Part of an inference, as those of a device are named -> Triton's word.
_PARTS = {"queue": "queue", "h2d": "compute_input", "compute": "compute_infer", "d2h": "compute_output"}
_NO_ANSWER = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Since the server was started: inferences that were asked for and succeeded, and nanoseconds in each part."""

    count: int
    ns: dict[str, int]

    def since(self, before: Statistics) -> dict[str, float]:
        """Milliseconds of the one query between; empty where there were more, of others, or none."""
        if self.count - before.count != 1:
            return {}
        return {name: (self.ns[name] - before.ns[name]) / 1e6 for name in _PARTS}


def statistics_of(found: Any) -> Statistics | None:
    """found: as JSON values, None where the server has none. None for what are no statistics, too."""
    try:
        told = [one["inference_stats"] for one in found["model_stats"]]
        # gRPC's JSON leaves out what is 0.
        count = sum(int(one.get("success", {}).get("count", 0)) for one in told)
        ns = {name: sum(int(one.get(word, {}).get("ns", 0)) for one in told) for name, word in _PARTS.items()}
    except _NO_ANSWER:
        return None
    return Statistics(count, ns) if told else None

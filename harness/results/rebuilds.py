"""What the independent builds of a target differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.metrics.spread import spread
from seatrial.harness.records.predictions import Predictions


def describe_rebuilds(
    condition: str,
    rows: Sequence[Predictions],
    samples: Sequence[npt.NDArray[np.int64]],
    audits: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:
    """The spread over builds, None for a single one.

    rows: each build's answers under `condition`; samples: its single-query nanoseconds. Accuracies and shares are 0 to
    1, times milliseconds; `top1` is None without labels. `agreement`: the share of images that all builds give the same
    class.
    """
    if len(rows) < 2:
        return None
    same = np.all([one.top1 == rows[0].top1 for one in rows], axis=0)
    shares = [audit["share_as_requested"] for audit in audits]
    return {
        "builds": len(rows),
        "condition": condition,
        "top1": spread([float(one.correct.mean()) for one in rows]) if rows[0].labelled else None,
        "agreement": float(same.mean()),
        "p50_ms": spread([nearest_rank(one, 50) / 1e6 for one in samples]),
        "build_s": spread([audit["build_s"] for audit in audits]),
        "engine_bytes": spread([audit["engine_bytes"] for audit in audits]),
        "share_as_requested": None if None in shares else spread(shares),
    }

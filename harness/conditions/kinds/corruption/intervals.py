"""Intervals of a target's robustness figures, from its answers to each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.conditions.kinds.corruption.ids import corruption_id
from seatrial.harness.conditions.kinds.protocol import Right
from seatrial.harness.metrics import corruption_intervals as intervals
from seatrial.harness.metrics.corruption_error import ALEXNET, ALEXNET_CLEAN
from seatrial.harness.metrics.image_means import ImageMeans
from seatrial.harness.metrics.weighted import weighted_interval

Interval = tuple[float, float]


def top1_interval(right: Right, ids: Sequence[str]) -> list[float] | None:
    """Of the mean top-1 over conditions; None for no answers."""
    return _listed(weighted_interval((1 / len(ids), right[one]) for one in ids)) if _answered(right, ids) else None


def delta_interval(right: Right, reference: Right, ids: Sequence[str]) -> list[float] | None:
    """Of the mean difference to the reference over conditions; None for no answers."""
    if not (_answered(right, ids) and _answered(reference, ids)):
        return None
    means = ImageMeans(len(right[ids[0]]))
    for one in ids:
        means.add(right[one], reference[one])
    return _listed(means.differences.interval())


def error_intervals(figures: Mapping[str, Any], right: Right, reference: Right) -> dict[str, list[float] | None]:
    """Of the corruption errors, in per cent, under their names with `_ci95` behind them; None where there is no figure.

    figures: the errors (`robustness`).
    """
    wrong, base = _Wrong(right), _Wrong(reference)
    known = {name for name, value in figures.items() if value is not None and wrong.whole and base.whole}
    clean, base_clean = (~one[CLEAN] if CLEAN in one else None for one in (right, reference))
    found: dict[str, Interval | None] = dict.fromkeys(figures)
    if "mean_corruption_error" in known:
        found["mean_corruption_error"] = intervals.plain_mean_error_interval(wrong)
    if "mce" in known:
        found["mce"] = intervals.mean_corruption_error_interval(wrong, ALEXNET)
    if "relative_mce" in known and clean is not None:
        found["relative_mce"] = intervals.relative_mean_corruption_error_interval(wrong, clean, ALEXNET, ALEXNET_CLEAN)
    if right is not reference and "mce_vs_reference" in known:
        found["mce_vs_reference"] = intervals.mean_corruption_error_ratio_interval(wrong, base)
    if right is not reference and "relative_mce_vs_reference" in known and clean is not None and base_clean is not None:
        found["relative_mce_vs_reference"] = intervals.relative_mean_corruption_error_ratio_interval(
            wrong, clean, base, base_clean
        )
    return {f"{name}_ci95": _listed(interval) for name, interval in found.items()}


class _Row(Sequence[npt.NDArray[np.bool_]]):
    """Which images are wrong at each severity of a corruption, read when they are asked for."""

    def __init__(self, right: Right, name: str) -> None:
        self._right, self._ids = right, [corruption_id(name, severity) for severity in SEVERITIES]

    def __getitem__(self, index: Any) -> Any:
        return ~self._right[self._ids[index]]

    def __len__(self) -> int:
        return len(self._ids)


class _Wrong(Mapping[str, Sequence[npt.NDArray[np.bool_]]]):
    """The rows of mCE's corruptions. whole: all of them were answered."""

    def __init__(self, right: Right) -> None:
        self._right = right
        self.whole = all(corruption_id(name, one) in right for name in MCE_CORRUPTIONS for one in SEVERITIES)

    def __getitem__(self, name: str) -> Sequence[npt.NDArray[np.bool_]]:
        return _Row(self._right, name)

    def __iter__(self) -> Iterator[str]:
        return iter(MCE_CORRUPTIONS)

    def __len__(self) -> int:
        return len(MCE_CORRUPTIONS)


def _answered(right: Right, ids: Sequence[str]) -> bool:
    return bool(ids) and all(one in right for one in ids)


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)

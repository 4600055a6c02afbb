"""A published sentence as a test on a run: it holds, it does not hold, or that cannot be told.

A sentence has a figure, whose sign it tells, with a 95 % interval over images like these. It holds where the interval
lies on its side of 0. It does not hold where the interval rules out that there is as much as `LEAST` on its side: where
the sign is the other one, and where next to nothing is there. All else cannot be told, as what the run has no
conditions for. The images are the unit: what an image answers under many conditions, and to many targets, hangs
together, and differences are taken image by image.

Where several series are told apart (methods, bit-widths), each is answered beside them all at the same chance of one
wrong answer together (Holm), and their mean by its own interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.metrics.contrast import Contrast, Shares, share_contrast
from seatrial.harness.metrics.family import holm
from seatrial.harness.metrics.paired import ALPHA

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
# A share of the images: what is smaller is nothing that a sentence speaks of.
LEAST = 0.01


@dataclasses.dataclass(frozen=True)
class Part:
    """One series' answer. figure, ci95: None where there is none."""

    name: str
    answer: str
    figure: float | None
    ci95: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class Claim:
    """sentence: as published, in short. source: where. figure: what decides, as `of` says, in `unit`. why: what it
    rests on, or what is lacking. caveat: what may explain it, such as masked gradients. parts: by series.
    """

    id: str
    sentence: str
    source: str
    answer: str
    of: str
    figure: float | None = None
    ci95: tuple[float, float] | None = None
    why: str = ""
    caveat: str = ""
    parts: Sequence[Part] = ()
    unit: str = "points"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {**dataclasses.asdict(self), "parts": [dataclasses.asdict(one) for one in self.parts]}
        for one in (values, *values["parts"]):
            one["ci95"] = None if one["ci95"] is None else list(one["ci95"])
        return values


def answer(contrast: Contrast, sign: int) -> str:
    """Whether the contrast has that sign, 1 or -1."""
    low, high = contrast.interval()
    low, high = (low, high) if sign > 0 else (-high, -low)
    return HOLDS if low > 0 else FAILS if high < LEAST else UNKNOWN


def parted(contrasts: Mapping[str, Contrast], sign: int) -> list[Part]:
    """Each series' answer, where there are several; else none."""
    if len(contrasts) < 2:
        return []
    holds = holm({name: _against(one, sign) for name, one in contrasts.items()}, ALPHA / 2)
    fails = holm({name: _against(one, -sign, LEAST) for name, one in contrasts.items()}, ALPHA / 2)
    return [
        Part(name, HOLDS if name in holds else FAILS if name in fails else UNKNOWN, one.value, one.interval())
        for name, one in contrasts.items()
    ]


def _against(one: Contrast, sign: int, allowed: float = 0.0) -> float:
    """Small where the contrast lies on that side of 0, or of `allowed` on the other side, beyond doubt."""
    return one.p_at_most(-allowed) if sign > 0 else one.p_at_least(allowed)


@dataclasses.dataclass(frozen=True)
class Extreme:
    """What decides that some of several things are the worst. first, second: one of them, and the other that comes
    nearest; or, where that refutes it, is worse beyond doubt. contrast: their difference. alpha: of its interval.
    """

    answer: str
    first: str
    second: str
    contrast: Contrast
    alpha: float


def extreme(shares: Mapping[str, Shares], claimed: Sequence[str], sign: int) -> Extreme:
    """Whether the claimed things have the least shares of all (sign -1) or the largest (1). shares: [N] each, 0 to 1.

    It holds where each of them differs from each other one on that side: every pair must, so that none needs a stricter
    level (intersection-union test). It does not hold where some other one lies beyond one of them, at a level that the
    pairs share (Holm). The figure is that of the pair that decides. ValueError where nothing is left to compare with.
    """
    others = [name for name in shares if name not in claimed]
    pairs = {(one, other): share_contrast([1, -1], [shares[one], shares[other]]) for one in claimed for other in others}
    if not pairs:
        raise ValueError("nothing to compare with")
    refuted = holm({pair: _against(one, -sign) for pair, one in pairs.items()}, ALPHA / 2)
    sure = all(_against(one, sign) < ALPHA / 2 for one in pairs.values())
    least = min(pairs, key=lambda pair: sign * pairs[pair].value)
    decides = least if least in refuted or not refuted else min(refuted, key=lambda pair: sign * pairs[pair].value)
    found = FAILS if refuted else HOLDS if sure else UNKNOWN
    against = sign * pairs[decides].value < 0  # by being chosen as the worst of so many
    return Extreme(found, *decides, pairs[decides], ALPHA / len(pairs) if against else ALPHA)

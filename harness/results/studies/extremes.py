"""RobustMQ's sentences on which corruption, and which resize filter, is the worst and the mildest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.conditions.kinds.corruption.ids import corruption_id
from seatrial.harness.results.studies.claim import UNKNOWN, Claim, extreme
from seatrial.harness.results.studies.robustmq import SOURCE, Systematic, doubted, share_of
from seatrial.harness.results.studies.rows import Row

_FIRST = "RobustMQ, arXiv 2304.03968 and 2308.02350"


def of_corruptions(rows: Sequence[Row]) -> list[Claim]:
    """Mean accuracy over the severities, and over all targets that do not guess; the images paired."""
    ids = {name: [corruption_id(name, one) for one in SEVERITIES] for name in MCE_CORRUPTIONS}
    of = "mean accuracy"
    return [
        _extreme(
            "impulse-worst", "Impulse noise is the worst corruption", _FIRST, rows, ids, ("impulse_noise",), -1, of
        ),
        _extreme(
            "impulse-glass-worst",
            "Impulse noise and glass blur are the two worst corruptions",
            SOURCE,
            rows,
            ids,
            ("impulse_noise", "glass_blur"),
            -1,
            of,
        ),
        _extreme(
            "brightness-mildest", "Brightness is the mildest corruption", SOURCE, rows, ids, ("brightness",), 1, of
        ),
    ]


# Filters of one name are one filter, whatever library it is of.
_FILTERS = {
    "nearest": ("pillow-nearest", "opencv-nearest"),
    "bilinear": ("pillow-bilinear", "opencv-bilinear"),
    "cubic": ("pillow-bicubic", "opencv-bicubic"),
    "area": ("opencv-area",),
    "box": ("pillow-box",),
    "hamming": ("pillow-hamming",),
    "lanczos": ("pillow-lanczos", "opencv-lanczos4"),
}


def of_filters(rows: Sequence[Row], systematic: Systematic) -> list[Claim]:
    """Mean accuracy over libraries and decoders, and over all targets that do not guess."""
    ids = {
        name: [found for (_, one), found in systematic.settings.items() if one in members]
        for name, members in _FILTERS.items()
    }
    of = "mean accuracy"
    found = [
        _extreme(
            "nearest-worst", "Nearest neighbour is the worst resize filter", SOURCE, rows, ids, ("nearest",), -1, of
        ),
        _extreme(
            "three-mildest",
            "Bilinear, cubic and area are the three mildest resize filters",
            SOURCE,
            rows,
            ids,
            ("bilinear", "cubic", "area"),
            1,
            of,
        ),
    ]
    return [doubted(one, systematic.doubt) for one in found]


def _extreme(
    name: str,
    sentence: str,
    source: str,
    rows: Sequence[Row],
    ids: Mapping[str, Sequence[str]],
    claimed: Sequence[str],
    sign: int,
    of: str,
) -> Claim:
    kept = [row for row in rows if not row.guesses]
    common = {
        key: [one for one in conditions if all(one in row.right for row in kept)] for key, conditions in ids.items()
    }
    common = {key: conditions for key, conditions in common.items() if conditions}
    missing = [key for key in claimed if key not in common]
    if not kept or missing or len(common) == len(claimed):
        lacks = ", ".join(missing) or "any other"
        why = f"The run lacks conditions of {lacks.replace('_', ' ')}." if kept else "All targets of the run guess."
        return Claim(name, sentence, source, UNKNOWN, of, why=why)
    shares = {key: np.mean([share_of(row, conditions) for row in kept], axis=0) for key, conditions in common.items()}
    found = extreme(shares, claimed, sign)
    means = sorted(((float(one.mean()), key) for key, one in shares.items()), key=lambda one: sign * -one[0])
    order = ", ".join(f"{key.replace('_', ' ')} {mean * 100:.1f}" for mean, key in means[: len(claimed) + 2])
    why = f"{'Lowest' if sign < 0 else 'Highest'} of {len(shares)}: {order} %."
    if found.answer == UNKNOWN:
        why += " The interval does not decide between the two: more images would."
    pair = f"{of}, {found.first} minus {found.second}".replace("_", " ")
    return Claim(
        name, sentence, source, found.answer, pair, found.contrast.value, found.contrast.interval(found.alpha), why
    )

"""RobustMQ's sentences (arXiv 2308.02350) on bit-widths, and on quantized models against float, as tests on a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.contrast import Contrast, conditional_contrast, downward, share_contrast
from seatrial.harness.results.studies.claim import HOLDS, UNKNOWN, Claim, answer, parted
from seatrial.harness.results.studies.readings import READINGS, Reading, left
from seatrial.harness.results.studies.rows import Row, series_of
from seatrial.harness.results.studies.table import CORRUPTED

SOURCE = "RobustMQ, arXiv 2308.02350"
_FIRST = "RobustMQ, arXiv 2304.03968 and 2308.02350"

Shares = dict[str, npt.NDArray[np.float64]]
# Weight of each target's share.
Weights = list[tuple[float, Row]]
# What a comparison of targets is made of: series -> weights.
Compared = Mapping[str, Weights]
# Weights -> their contrast, None where one of them has nothing to compare.
Measure = Callable[[Weights], Contrast | None]


@dataclasses.dataclass(frozen=True)
class Systematic:
    """settings: (decoder, filter) -> condition. doubt: why the images tell little of decoders and filters; "" where
    they do.
    """

    settings: Mapping[tuple[str, str], str]
    doubt: str = ""


def claims(rows: Sequence[Row], systematic: Systematic) -> list[Claim]:
    """Those on lower bits, and on quantized against float. rows: the reference first."""
    return [*_of_bits(rows, systematic), *_of_float(rows, systematic)]


def _of_bits(rows: Sequence[Row], systematic: Systematic) -> list[Claim]:
    """The change from the most bits to the fewest, along the straight line of least squares (`contrast.downward`): of
    accuracies at two bit-widths their difference, of more the linear trend. Of attacks, AR: the share of what is right
    without. Of corruptions and settings, mean accuracy, as published, and what of it clean accuracy does not explain.
    """
    compared = {name: _trend(members) for name, members in series_of(rows).items()}
    compared = {name: weights for name, weights in compared.items() if weights}
    lacking = "" if compared else "No method has targets at two bit-widths that do not guess."
    span = _span(compared)
    return [
        *(
            _attacked(
                f"bits-attacks-{one.id}",
                f"Lower bits are more robust to attacks: {one.says}",
                rows,
                compared,
                one,
                f"AR, {span}",
                lacking,
            )
            for one in READINGS
        ),
        *_noised("bits", "Lower bits are less robust", rows, compared, systematic, span, lacking),
    ]


def _of_float(rows: Sequence[Row], systematic: Systematic) -> list[Claim]:
    """Quantized minus float, the mean over each method's bit-widths, then over methods."""
    base = rows[0]
    compared = {
        name: [*((1 / len(members), one) for one in members), (-1.0, base)] for name, members in series_of(rows).items()
    }
    lacking = "" if compared else "No quantized target that does not guess is in the run."
    says = "quantized minus float"
    return [
        *(
            _attacked(
                f"quantized-attacks-{one.id}",
                f"Quantized models are more robust to attacks than float: {one.says}",
                rows,
                compared,
                one,
                f"AR, {says}",
                lacking,
            )
            for one in READINGS
        ),
        *_noised("quantized", "Quantized models are less robust than float", rows, compared, systematic, says, lacking),
    ]


def _trend(members: Sequence[Row]) -> Weights:
    """Targets of the same bits share their weight; nothing for less than two bit-widths."""
    widths = sorted({row.width or 0 for row in members}, reverse=True)
    if len(widths) < 2:
        return []
    weights = dict(zip(widths, downward(widths), strict=True))
    count = {width: sum(row.width == width for row in members) for width in widths}
    return [(weights[row.width or 0] / count[row.width or 0], row) for row in members]


def _span(compared: Compared) -> str:
    widths = [row.width or 0 for weights in compared.values() for _, row in weights]
    return f"from {max(widths)} to {min(widths)} bits" if widths else "from most to fewest bits"


def _attacked(
    name: str, sentence: str, rows: Sequence[Row], compared: Compared, reading: Reading, of: str, lacking: str
) -> Claim:
    hits = left([row for row in rows if not row.guesses], reading)

    def measure(weights: Weights) -> Contrast | None:
        return conditional_contrast(
            [weight for weight, _ in weights],
            [row.clean for _, row in weights],
            [hits[row.target] for _, row in weights],
        )

    if not lacking and not hits:
        lacking = f"The run has no attack that was asked of all targets in that way ({reading.says})."
    found = _compared(name, sentence, compared, hits, measure, 1, of, lacking)
    return dataclasses.replace(found, caveat=_masked(found, compared, reading))


def _masked(found: Claim, compared: Compared, reading: Reading) -> str:
    """Where robustness may be nothing but gradients that lead nowhere."""
    if found.answer == UNKNOWN or reading.id not in ("published", "own", "worst"):
        return ""
    rows = {row.target: row for weights in compared.values() for _, row in weights}
    failed = [name for name, row in rows.items() if row.masking == "fail"]
    open_ = [name for name, row in rows.items() if row.masking not in ("fail", "pass", None)]
    told = []
    if failed:
        told.append(f"Gradients may be masked at {', '.join(failed)}: what looks robust there may not be.")
    if open_ and found.answer == HOLDS:
        told.append(f"Whether gradients are masked is not known of {len(open_)} of {len(rows)} targets.")
    return " ".join(told)


def _noised(
    name: str, sentence: str, rows: Sequence[Row], compared: Compared, systematic: Systematic, of: str, lacking: str
) -> list[Claim]:
    kept = [row for row in rows if not row.guesses]
    corrupted, settled = means(kept, CORRUPTED), means(kept, list(systematic.settings.values()))
    found = []
    for key, what, shares, doubt in (
        ("corruptions", "corruptions", corrupted, ""),
        ("systematic", "systematic noise (decoders and resize filters)", settled, systematic.doubt),
    ):
        without = lacking or (
            "" if shares else f"The run has no {key.removesuffix('s')} conditions that all targets answered."
        )
        for suffix, beyond in (("", False), ("-beyond-clean", True)):
            measure = _beyond_clean(shares) if beyond else _plain(shares)
            more = ", beyond what they lose on clean images" if beyond else ""
            what_of = f"mean accuracy{' minus clean' if beyond else ''}, {of}"
            claim = _compared(
                f"{name}-{key}{suffix}", f"{sentence} to {what}{more}", compared, shares, measure, -1, what_of, without
            )
            found.append(doubted(claim, doubt))
    return found


def _plain(shares: Shares) -> Measure:
    return lambda weights: share_contrast([weight for weight, _ in weights], [shares[row.target] for _, row in weights])


def _beyond_clean(shares: Shares) -> Measure:
    return lambda weights: share_contrast(
        [signed for weight, _ in weights for signed in (weight, -weight)],
        [share for _, row in weights for share in (shares[row.target], row.clean)],
    )


def _compared(
    name: str, sentence: str, compared: Compared, shares: Shares, measure: Measure, sign: int, of: str, lacking: str
) -> Claim:
    """The mean over series decides."""
    kept = {key: weights for key, weights in compared.items() if all(row.target in shares for _, row in weights)}
    each = {key: found for key, weights in kept.items() if (found := measure(weights)) is not None}
    if lacking or not each:
        return Claim(name, sentence, SOURCE, UNKNOWN, of, why=lacking or "No method was asked it at two bit-widths.")
    together = measure([(weight / len(each), row) for key in each for weight, row in kept[key]])
    assert together is not None
    left_out = [key for key in compared if key not in each]
    why = f"Over {', '.join(each)}." + (
        f" Left out, as conditions are lacking: {', '.join(left_out)}." if left_out else ""
    )
    told = answer(together, sign)
    if told == UNKNOWN:
        why += " The interval does not decide: more images would."
    return Claim(name, sentence, SOURCE, told, of, together.value, together.interval(), why, parts=parted(each, sign))


def means(rows: Sequence[Row], conditions: Sequence[str]) -> Shares:
    """Target -> float64 [N], the share of the conditions under which each image is right; of those all answered."""
    common = [name for name in conditions if all(name in row.right for row in rows)]
    return {row.target: share_of(row, common) for row in rows} if common else {}


def share_of(row: Row, conditions: Sequence[str]) -> npt.NDArray[np.float64]:
    """float64 [N], the share of the conditions under which each image is right."""
    total = np.zeros(len(row.clean))
    for name in conditions:
        total += row.right[name]
    return total / len(conditions)


def doubted(claim: Claim, doubt: str) -> Claim:
    """What the images cannot tell is not answered, though it has a figure."""
    if not doubt or claim.figure is None:
        return claim
    parts = [dataclasses.replace(part, answer=UNKNOWN) for part in claim.parts]
    return dataclasses.replace(claim, answer=UNKNOWN, why=doubt, parts=parts)

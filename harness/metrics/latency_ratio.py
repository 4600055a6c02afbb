"""How many times faster a target answers than its reference, and how well that is known."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]

RESAMPLES = 1000
# Two turns of the alternating measurement. Longer than latencies remember: with a memory of ten samples, 95 % intervals
# of 662 samples hold the truth in 93 of 100 cases, with blocks of N ** (1/3), as is usual, in 78.
BLOCK = 64
# Of fewer samples the blocks are shorter, so that there are as many to draw from.
_LEAST_BLOCKS = 8
# Of more samples, so many at equal distances tell how far the median may be off.
_MOST = 8192
# Stretches of a round whose ratios tell how far the round's may be off, and the fewest samples of one.
_STRETCHES, _OF_STRETCH = 16, 8
# Of fewer queries, those of a single start say nothing of how far their median may be off: of one, it is never off.
FEWEST = 8
# Beyond either end of an interval. A run that may stop because its intervals are narrow finds too narrow ones more
# often than others: with 0.025, those of a run that goes on from 3 rounds until 5 % are reached hold the truth in as
# few as 90 of 100 cases, with 0.015 in 93.6 and more (tests/unit/harness/metrics/test_stopping.py).
TAIL, TAIL_OF_LOOKS = 0.025, 0.015


@dataclasses.dataclass(frozen=True)
class Speedup:
    """ratio: the reference's p50 over the target's, above 1 where the target is faster. ci95: its interval. rounds: of
    fresh processes that it rests on. between: standard deviation of the rounds' logarithms, and within: of it what a
    round's own queries explain; None of a single round.
    """

    ratio: float
    ci95: tuple[float, float]
    rounds: int = 1
    between: float | None = None
    within: float | None = None

    @property
    def width(self) -> float:
        """Of the interval, as a share of the ratio."""
        return (self.ci95[1] - self.ci95[0]) / self.ratio


@dataclasses.dataclass(frozen=True)
class Round:
    """Processes that were started and timed together. reference, builds: int64 [N] nanoseconds of single queries, in
    the order in which they were asked; of each build of the target.
    """

    reference: Samples
    builds: Sequence[Samples]


def speedup(reference: Samples, builds: Sequence[Samples], *, seed: int) -> Speedup:
    """Of single-query nanoseconds, int64 [N], that were taken in turns: the reference's, and those of each build of the
    target. ValueError for none.

    Neighbouring latencies hang together, so blocks of them are resampled (the moving block bootstrap: Kuensch, "The
    jackknife and the bootstrap for general stationary observations", 1989), the same stretches of time of both sides,
    since what slows the machine slows both. The interval is symmetric in the logarithm, with Student's t for as many
    observations as there are whole blocks. Where the target was built several times, the builds are the observations,
    and the ratio is the geometric mean of theirs: what differs from build to build is more than what differs from query
    to query.

    >>> fast, slow = np.full(100, 2_000), np.full(100, 3_000)
    >>> speedup(slow, [fast], seed=0).ratio
    1.5
    """
    if not builds or not len(reference) or not all(len(one) for one in builds):
        raise ValueError("a ratio needs samples of both sides")
    # A clock may not tell a query that takes next to nothing from none.
    reference, *builds = (np.maximum(one, 1) for one in (reference, *builds))
    logs = [_log_ratio(reference, one) for one in builds]
    centre = statistics.fmean(logs)
    if len(builds) == 1:
        error, blocks = _resampled([reference, builds[0]], seed)
        reach = t_quantile(TAIL, max(1, blocks - 1)) * error
    else:
        error = math.hypot(statistics.stdev(logs) / math.sqrt(len(logs)), _resampled([reference], seed)[0])
        reach = t_quantile(TAIL, len(builds) - 1) * error
    return _speedup(centre, reach)


def speedup_of_rounds(rounds: Sequence[Round], *, seed: int, looks: bool = True) -> Speedup:
    """Of several rounds of fresh processes: a round is an observation, since processes of one file differ by more than
    the queries of one process.

    The geometric mean, with Student's t of the rounds' logarithms. These are taken to differ by no less than a round is
    uncertain in itself, so that rounds that happen to agree prove nothing. Several builds of the target are crossed
    with the rounds: the variances of both kinds of means add up, and the degrees of freedom are Satterthwaite's ("An
    approximate distribution of estimates of variance components", 1946). looks: the run stopped, or could have stopped,
    because an interval was narrow; the interval is wider for it. One round: as `speedup`. ValueError for none.
    """
    if not rounds:
        raise ValueError("a ratio needs samples of both sides")
    if len(rounds) == 1:
        return speedup(rounds[0].reference, rounds[0].builds, seed=seed)
    logs = np.array([[_log_ratio(one.reference, build) for build in one.builds] for one in rounds])
    within = float(np.mean([[_within(one.reference, build) ** 2 for build in one.builds] for one in rounds]))
    count, builds = logs.shape
    variances, freedoms = [max(logs.mean(axis=1).var(ddof=1), within / builds) / count], [count - 1]
    if builds > 1:
        variances.append(max(logs.mean(axis=0).var(ddof=1), within / count) / builds)
        freedoms.append(builds - 1)
    between = float(logs.mean(axis=1).std(ddof=1))
    reach = _reach(variances, freedoms, TAIL_OF_LOOKS if looks else TAIL)
    found = _speedup(float(logs.mean()), reach)
    return dataclasses.replace(found, rounds=count, between=between, within=math.sqrt(within))


def ratio_of_rates(reference: Sequence[float], target: Sequence[float], *, looks: bool = True) -> Speedup | None:
    """The same of rates, images a second, one for each round of either side, paired; None for fewer than two rounds,
    which tell no interval, and where a rate is 0.
    """
    if len(reference) != len(target) or len(reference) < 2 or min(*reference, *target) <= 0:
        return None
    logs = [math.log(one / base) for one, base in zip(target, reference, strict=True)]
    variance = statistics.variance(logs)
    reach = _reach([variance / len(logs)], [len(logs) - 1], TAIL_OF_LOOKS if looks else TAIL)
    found = _speedup(statistics.fmean(logs), reach)
    return dataclasses.replace(found, rounds=len(logs), between=math.sqrt(variance))


def paired(rounds: Sequence[Mapping[str, Samples]], reference: str, builds: Sequence[str]) -> list[Round]:
    """Those rounds, build id -> samples, in which the reference and all those builds were timed."""
    names = (reference, *builds)
    return [
        Round(one[reference], [one[name] for name in builds])
        for one in rounds
        if all(len(one.get(name, ())) for name in names)
    ]


def tells(rounds: Sequence[Round]) -> bool:
    """Whether these rounds tell an interval: several do, a single one where both sides have FEWEST queries."""
    return len(rounds) > 1 or any(min(len(one.reference), *map(len, one.builds)) >= FEWEST for one in rounds)


def narrow(
    rounds: Sequence[Mapping[str, Samples]], reference: str, targets: Mapping[str, Sequence[str]], width: float
) -> bool:
    """Whether the speed-up of each target is known to less than `width`, a share of it: no further round is needed.

    rounds: of those that are kept, build id -> int64 [N] nanoseconds. reference: its build. targets: id -> its builds,
    without the reference. What was never timed, or came to an end, is not waited for. A single round does not tell what
    processes differ by: it is never narrow where there is something to compare.
    """
    for builds in targets.values():
        found = paired(rounds, reference, builds)
        if found and (len(found) < 2 or speedup_of_rounds(found, seed=0).width > width):
            return False
    return True


def _speedup(centre: float, reach: float) -> Speedup:
    return Speedup(math.exp(centre), (math.exp(centre - reach), math.exp(centre + reach)))


def _reach(variances: Sequence[float], freedoms: Sequence[int], tail: float) -> float:
    """Half the width of an interval whose variance is a sum of estimated ones."""
    total = sum(variances)
    if total <= 0:
        return 0.0
    freedom = total**2 / sum(one**2 / free for one, free in zip(variances, freedoms, strict=True))
    return t_quantile(tail, max(1, math.floor(freedom + 1e-9))) * math.sqrt(total)


def _log_ratio(reference: Samples, target: Samples) -> float:
    return math.log(max(1, nearest_rank(reference, 50)) / max(1, nearest_rank(target, 50)))


def _within(reference: Samples, target: Samples) -> float:
    """The standard error of a round's logarithm, by the ratios of its stretches of time."""
    count = min(len(reference), len(target))
    stretches = min(_STRETCHES, count // _OF_STRETCH)
    if stretches < 2:
        stretches = min(2, count)
    if stretches < 2:
        return 0.0
    pairs = zip(np.array_split(reference, stretches), np.array_split(target, stretches), strict=True)
    return statistics.stdev(_log_ratio(*pair) for pair in pairs) / math.sqrt(stretches)


def _resampled(sides: Sequence[Samples], seed: int) -> tuple[float, int]:
    """The standard error of the logarithm of p50, or of the ratio of two, and the number of blocks."""
    sides = [one[:: -(-len(one) // _MOST)] for one in sides]
    count = min(len(one) for one in sides)
    block = max(1, min(BLOCK, count // _LEAST_BLOCKS))
    blocks = -(-count // block)
    rng = np.random.Generator(np.random.PCG64(seed))
    begins = rng.random((RESAMPLES, blocks))
    places = {len(one): _places(len(one), begins, round(len(one) * block / count)) for one in sides}
    medians = [np.log(_medians(one, places[len(one)])) for one in sides]
    deviations = medians[0] if len(sides) == 1 else medians[0] - medians[1]
    return float(deviations.std(ddof=1)), count // block


def _places(count: int, begins: npt.NDArray[np.float64], block: int) -> npt.NDArray[np.int64]:
    """As many of the samples as there are, in blocks that begin at those shares of the time."""
    starts = (begins * (count - block + 1)).astype(np.int64)
    return (starts[:, :, None] + np.arange(block)).reshape(len(begins), -1)[:, :count]


def _medians(samples: Samples, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    rank = max(1, math.ceil(places.shape[1] / 2)) - 1
    return np.partition(samples[places], rank, axis=1)[:, rank]

"""Intervals of rounds hold the truth where processes differ, also when a run goes on until they are narrow."""

import numpy as np
import pytest
import scipy.stats

from seatrial.harness.metrics.latency_ratio import Round, narrow, paired, ratio_of_rates, speedup_of_rounds

WIDTH = 0.05
NAMES = ("a", "b")


def timed(rng, processes, queries=40, noise=0.02):
    """One round of two builds as fast as one another: their processes differ by `processes`, a share."""
    paces = 1e6 * np.exp(processes / np.sqrt(2) * rng.standard_normal(2))
    return {
        name: (pace * np.exp(noise * rng.standard_normal(queries))).astype(np.int64)
        for name, pace in zip(NAMES, paces, strict=True)
    }


def stopped(rng, processes, starts, most):
    """The rounds of a run that goes on until its interval is narrow."""
    rounds = [timed(rng, processes) for _ in range(starts)]
    while len(rounds) < most and not narrow(rounds, "a", {"b": ["b"]}, WIDTH):
        rounds.append(timed(rng, processes))
    return rounds


def covers(rounds, looks=True):
    low, high = speedup_of_rounds(paired(rounds, "a", ["b"]), seed=0, looks=looks).ci95
    return low <= 1 <= high


@pytest.mark.parametrize("processes", [0.0, 0.02, 0.04])
def test_the_interval_holds_the_truth_though_the_run_stops_when_it_is_narrow(processes):
    rng = np.random.default_rng(round(1000 * processes))
    assert np.mean([covers(stopped(rng, processes, 3, 8)) for _ in range(250)]) >= 0.9  # 93.6 %, less chance


@pytest.mark.long
@pytest.mark.parametrize("most", [5, 8, 20])
@pytest.mark.parametrize("processes", [0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.08])
def test_it_does_so_for_whatever_processes_differ_by(processes, most):
    rng = np.random.default_rng(round(1000 * processes) + most)
    found = np.mean([covers(stopped(rng, processes, 3, most)) for _ in range(4000)])
    print(f"\nprocesses {processes:.1%}, at most {most} rounds: {found:.2%}")
    assert found >= 0.926  # 93 %, less what 4000 draws leave to chance


def test_of_rounds_whose_number_is_asked_it_is_students():
    rng = np.random.default_rng(1)
    rounds = [timed(rng, 0.05) for _ in range(4)]
    found = speedup_of_rounds(paired(rounds, "a", ["b"]), seed=0, looks=False)
    logs = np.log([np.percentile(one["a"], 50, method="inverted_cdf") for one in rounds])
    logs -= np.log([np.percentile(one["b"], 50, method="inverted_cdf") for one in rounds])
    assert found.ratio == pytest.approx(scipy.stats.gmean(np.exp(logs)))
    expected = scipy.stats.t.interval(0.95, 3, logs.mean(), scipy.stats.sem(logs))
    assert found.ci95 == pytest.approx(tuple(np.exp(expected)))
    assert (found.rounds, found.between) == (4, pytest.approx(np.std(logs, ddof=1)))


def test_rounds_that_happen_to_agree_prove_nothing():
    rng = np.random.default_rng(2)
    one = timed(rng, 0.0, queries=640, noise=0.2)
    found = speedup_of_rounds(paired([one] * 3, "a", ["b"]), seed=0)
    # Of 640 queries a median is off by sqrt(pi / 2 / 640) standard deviations; of three rounds, of two sides.
    error = 0.2 * np.sqrt(np.pi / 2 / 640) * np.sqrt(2 / 3)
    assert np.log(found.ci95[1] / found.ci95[0]) / 2 == pytest.approx(scipy.stats.t.isf(0.015, 2) * error, rel=0.5)


def rounds_of_builds(rng, builds, rounds, of_build, of_round):
    pace = 1e6 * np.exp(of_build * rng.standard_normal(builds))
    for _ in range(rounds):
        reference = 1e6 * np.exp(of_round * rng.standard_normal())
        noise = np.exp(0.01 * rng.standard_normal((builds + 1, 33)))
        yield Round((reference * noise[0]).astype(np.int64), list((pace[:, None] * noise[1:]).astype(np.int64)))


@pytest.mark.parametrize(("of_build", "of_round"), [(0.03, 0.0), (0.0, 0.03), (0.03, 0.03)])
def test_builds_and_rounds_both_count(of_build, of_round):
    rng = np.random.default_rng(round(100 * of_build) + round(10_000 * of_round))
    inside = 0
    for _ in range(300):
        found = speedup_of_rounds(list(rounds_of_builds(rng, 3, 4, of_build, of_round)), seed=0, looks=False)
        inside += found.ci95[0] <= 1 <= found.ci95[1]
    assert inside / 300 >= 0.915  # 95 %, less chance


def test_narrow_waits_for_every_target_and_for_none_that_is_gone():
    rng = np.random.default_rng(3)
    rounds = [{**timed(rng, 0.0), "wild": timed(rng, 0.2)["a"]} for _ in range(3)]
    assert narrow(rounds, "a", {"b": ["b"]}, WIDTH)
    assert not narrow(rounds, "a", {"b": ["b"], "wild": ["wild"]}, WIDTH)
    assert not narrow(rounds[:1], "a", {"b": ["b"]}, WIDTH)
    assert narrow(rounds, "a", {"gone": ["gone"]}, WIDTH)
    assert narrow(rounds, "a", {}, WIDTH)


def test_a_round_without_one_side_is_left_out():
    rng = np.random.default_rng(4)
    rounds = [timed(rng, 0.0) for _ in range(3)]
    del rounds[1]["b"]
    rounds.append({"a": rounds[0]["a"], "b": np.empty(0, np.int64)})
    assert len(paired(rounds, "a", ["b"])) == 2


def test_of_one_round_the_interval_is_that_of_its_queries():
    rounds = [timed(np.random.default_rng(5), 0.0, queries=662)]
    found = speedup_of_rounds(paired(rounds, "a", ["b"]), seed=0)
    assert found.rounds == 1
    assert found.between is None
    with pytest.raises(ValueError, match="both sides"):
        speedup_of_rounds([], seed=0)


def test_rates_are_compared_by_rounds():
    found = ratio_of_rates([100, 110, 90], [200, 215, 182], looks=False)
    logs = np.log([2, 215 / 110, 182 / 90])
    assert found.ratio == pytest.approx(np.exp(logs.mean()))
    assert found.ci95 == pytest.approx(
        tuple(np.exp(scipy.stats.t.interval(0.95, 2, logs.mean(), scipy.stats.sem(logs))))
    )
    assert ratio_of_rates([100], [200]) is None
    assert ratio_of_rates([100, 0], [200, 3]) is None


@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_few_queries_a_round_have_an_interval(count):
    rng = np.random.default_rng(6)
    found = speedup_of_rounds(paired([timed(rng, 0.01, queries=count) for _ in range(3)], "a", ["b"]), seed=0)
    assert 0 < found.ci95[0] < found.ratio < found.ci95[1] < np.inf


def test_a_million_queries_take_no_longer_than_their_medians():
    rng = np.random.default_rng(7)
    samples = rng.integers(900, 1100, 300_000)
    found = speedup_of_rounds([Round(samples, [samples[:1000] * 2])], seed=0)
    assert found.ratio == pytest.approx(0.5, rel=0.02)

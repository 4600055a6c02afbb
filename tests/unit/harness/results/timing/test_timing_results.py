"""What samples and records become in summary.json."""

import numpy as np
import pytest
from timed_directories import MS, QUIET, entry, noisy, queries, scenario, timed_run

from seatrial.harness.records.timing import HERE
from seatrial.harness.results.checks.timed import timed_answers
from seatrial.harness.results.timing.machine import names_of_place
from seatrial.harness.results.timing.timed import Timing
from seatrial.harness.spec.targets import target_of

REFERENCE, FAST = "onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"
TARGETS = [target_of(name) for name in (REFERENCE, FAST)]
ROUNDS = np.repeat([1, 2, 3], 300)
STREAM = "single_stream"


def pair(reference, target, **how):
    return {(REFERENCE, STREAM): queries(reference, ROUNDS, **how), (FAST, STREAM): queries(target, ROUNDS, **how)}


def told(run):
    timing = Timing(run, TARGETS, [REFERENCE, FAST], seed=0)
    speedups = timing.speedups(TARGETS[1], [FAST])
    return timing, speedups, timing.timed([FAST], speedups)


def kinds(timed):
    return [mark["kind"] for mark in timed["marks"]]


def test_an_honest_run_has_figures_and_no_marks(tmp_path):
    timing, speedups, timed = told(timed_run(tmp_path, pair(noisy(1, 900, 6.0), noisy(2, 900, 3.0))))
    stream = timing.latency(FAST)[STREAM]
    assert (stream["samples"], stream["rounds"], stream["kept_rounds"], stream["largest"]) == (900, 3, 3, 99)
    assert stream["p50_ms"] == pytest.approx(3.0, rel=0.01)
    assert stream["p99.9_ms"] is None
    found = speedups[STREAM]
    assert found["ratio"] == pytest.approx(2.0, rel=0.01)
    assert (found["rounds"], found["wide"]) == (3, None)
    assert found["width"] < 0.05
    assert timed["marks"] == []
    assert timed["checked"] == 900
    check = timed_answers(FAST, timed)
    assert (check.answer, check.binding) == ("pass", "yes")
    assert "all 900 answers" in check.says


def test_rounds_that_are_left_out_do_not_count(tmp_path):
    target = noisy(3, 900, 3.0)
    target[:300] *= 5
    found = pair(noisy(4, 900, 6.0), target, kept=ROUNDS > 1)
    reasons = ["other processes took 97% of a core"]
    run = timed_run(
        tmp_path,
        found,
        scenarios={STREAM: scenario(found[FAST, STREAM], reasons=reasons)},
        places={
            HERE: {
                "machine": {"before": {}, "during": [], "after": {}},
                "place": {"name": "here", "processor": "Known", "cores": 2},
            }
        },
    )
    timing, speedups, timed = told(run)
    stream = timing.latency(FAST)[STREAM]
    assert (stream["rounds"], stream["kept_rounds"], stream["samples"]) == (3, 2, 600)
    assert stream["p50_ms"] == pytest.approx(3.0, rel=0.01)
    assert speedups[STREAM]["ratio"] == pytest.approx(2.0, rel=0.02)
    assert "disturbed" not in kinds(timed)
    assert timing.machine["place"]["processor"] == "Known"
    assert timing.machine["marks"] == ["single-stream: 1 of 3 starts were disturbed and left out: " + reasons[0] + "."]


def test_what_was_disturbed_and_stands_is_marked(tmp_path):
    found = pair(noisy(5, 900, 6.0), noisy(6, 900, 3.0))
    reasons = ["other processes took 97% of a core"]
    run = timed_run(tmp_path, found, scenarios={STREAM: scenario(found[FAST, STREAM], reasons=reasons)})
    _, _, timed = told(run)
    assert kinds(timed) == ["disturbed"]
    assert timed["marks"][0]["says"].endswith(reasons[0])


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("processes", "processes of the same files differ by"),
        ("queries", "the queries of a start are few for how they scatter"),
        ("disturbed", "something disturbed it: the clock fell"),
    ],
)
def test_a_wide_interval_says_why(tmp_path, how, cause):
    spread = 0.5 if how == "queries" else 0.02
    reference, target = noisy(7, 900, 6.0, spread), noisy(8, 900, 3.0, spread)
    if how != "queries":
        target *= np.repeat([1, 1.2, 1.1], 300)
    found = pair(reference, target)
    reasons = ["the clock fell"] if how == "disturbed" else []
    run = timed_run(
        tmp_path, found, scenarios={STREAM: scenario(found[FAST, STREAM], stopped="budget", reasons=reasons)}
    )
    _, speedups, timed = told(run)
    wide = speedups[STREAM]["wide"]
    assert cause in wide
    assert "not to 5%" in wide
    assert wide.endswith("--timing-budget 60 is spent")
    assert "wide" in kinds(timed)


def one_bad(tmp_path, taken, **more):
    """A target beside an honest reference."""
    fresh = more.pop("fresh", None)
    samples = queries(taken, ROUNDS, fresh=fresh)
    found = {(REFERENCE, STREAM): queries(noisy(9, 900), ROUNDS), (FAST, STREAM): samples}
    _, _, timed = told(timed_run(tmp_path, found, entries={(FAST, STREAM): entry(samples, **more)}))
    return timed


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"wrong": 12, "worst": 0.83}, "wrong", "12 of 900 answers"),
        ({"wrong": 12, "worst": None}, "wrong", "12 of 900 answers"),
        ({"unsteady": True}, "stale", "other answers to the same images"),
        ({"expected_differs": 32}, "wrong", "32 images that are timed get other answers alone"),
    ],
)
def test_untrue_answers_fail_the_run(tmp_path, more, kind, says):
    timed = one_bad(tmp_path, noisy(10, 900), **more)
    assert kinds(timed) == [kind]
    check = timed_answers(FAST, timed)
    assert (check.answer, check.binding, check.counts) == ("fail", "yes", True)
    assert says in check.says


def test_answers_that_are_kept_fail_the_run(tmp_path):
    fresh = np.arange(900) % 2 == 1
    timed = one_bad(tmp_path, np.where(fresh, noisy(11, 900), 20_000), fresh=fresh)
    assert "cached" in kinds(timed)
    assert timed_answers(FAST, timed).answer == "fail"


def test_an_engine_that_drifts_is_named(tmp_path):
    timed = one_bad(tmp_path, noisy(12, 900) * np.tile(np.linspace(1, 1.2, 300), 3))
    assert kinds(timed)[0] == "drift"
    assert "slower from the beginning of a start to its end" in timed["marks"][0]["says"]
    assert "the machine" not in timed["marks"][0]["says"]


def test_where_all_drift_it_is_the_machine(tmp_path):
    warm = np.tile(np.linspace(1, 1.3, 300), 3)
    _, _, timed = told(timed_run(tmp_path, pair(noisy(13, 900) * warm, noisy(14, 900) * warm)))
    assert "as do all others: it is the machine" in timed["marks"][0]["says"]


def test_an_engine_that_sleeps_in_one_of_a_hundred_queries_is_named(tmp_path):
    taken = noisy(15, 900)
    taken[np.random.default_rng(0).permutation(900)[:9]] += 20 * MS
    timed = one_bad(tmp_path, taken)
    assert kinds(timed) == ["stalls"]
    assert "1.0% of its queries (single-stream) take 23 ms where half take 3" in timed["marks"][0]["says"]


def test_one_that_waited_for_a_busy_processor_is_not(tmp_path):
    taken = noisy(16, 900)
    taken[np.random.default_rng(0).permutation(900)[:9]] += 20 * MS
    samples = queries(taken, ROUNDS)
    found = {(REFERENCE, STREAM): queries(noisy(17, 900), ROUNDS), (FAST, STREAM): samples}
    busy = entry(samples, {**QUIET, "waited": 0.2})
    assert "stalls" not in kinds(told(timed_run(tmp_path, found, entries={(FAST, STREAM): busy}))[2])


def served(rate, pace, workers=1, **more):
    settings = np.repeat(["rate=10", "rate=200"], 700)
    service = noisy(18, 1400) * np.where(settings == "rate=200", pace, 1)
    late = np.where(settings == f"rate={rate}", 1, 100) * MS
    samples = queries(service + late, setting=settings, service=service)
    tried = [
        {"rate": 10.0, "queries": 700, "p99_ms": 4.5, "bound_p99_ms": 4.6, "keeps": True},
        {"rate": 200.0, "queries": 700, "p99_ms": 40.0, "bound_p99_ms": None, "keeps": rate == 200},
    ]
    return samples, entry(samples, bound_ms=15.0, workers=workers, tried=tried, rate=float(rate), **more)


@pytest.mark.parametrize(("pace", "workers", "named"), [(1.0, 1, False), (1.6, 1, True), (1.9, 2, False), (3, 2, True)])
def test_an_engine_that_slows_down_under_load_is_named(tmp_path, pace, workers, named):
    samples, record = served(10, pace, workers)
    found = {**pair(noisy(19, 900), noisy(20, 900)), (FAST, "server"): samples, (REFERENCE, "server"): samples}
    entries = {(FAST, "server"): record, (REFERENCE, "server"): served(10, 1.0)[1]}
    timing, speedups, timed = told(timed_run(tmp_path, found, entries=entries))
    assert ("load" in kinds(timed)) is named
    server = timing.latency(FAST)["server"]
    assert (server["queries_per_s"], server["ends"], server["bound_ms"]) == (10.0, [10.0, 200.0], 15.0)
    assert server["p99_ms"] == pytest.approx(4.2, rel=0.1)
    assert len(server["tried"]) == 2  # the other rate's queries, confirmed or not, are not of this one
    assert speedups["server"]["ratio"] == 1.0
    assert speedups["server"]["ci95"] == [10 / 200, 200 / 10]


def test_no_rate_that_keeps_the_bound_is_none(tmp_path):
    samples, record = served(10, 1.0)
    found = {**pair(noisy(21, 900), noisy(22, 900)), (FAST, "server"): samples}
    run = timed_run(tmp_path, found, entries={(FAST, "server"): {**record, "rate": None}})
    server = told(run)[0].latency(FAST)["server"]
    assert (server["queries_per_s"], server["ends"], server["p99_ms"]) == (None, None, None)


def test_offline_is_images_a_second(tmp_path):
    found = pair(noisy(23, 900), noisy(24, 900))
    entries = {}
    for name, ms, workers in ((REFERENCE, 40.0, 1), (FAST, 40.0, 2)):
        found[name, "offline"] = queries(noisy(25, 90, ms), np.repeat([1, 2, 3], 30))
        entries[name, "offline"] = entry(found[name, "offline"], batch=8, workers=workers)
    timing, speedups, _ = told(timed_run(tmp_path, found, entries=entries))
    offline = timing.latency(FAST)["offline"]
    assert offline["images_per_s"] == pytest.approx(2 * 8 / 0.040, rel=0.01)
    assert offline["ci95"][0] < offline["images_per_s"] < offline["ci95"][1]
    assert (offline["images"], offline["batch"], offline["workers"]) == (720, 8, 2)
    assert speedups["offline"]["ratio"] == pytest.approx(2.0)


def sustained(pace, seed):
    """Ten minutes with such a pace at their ends."""
    taken = noisy(seed, 3000, 3.0) * np.repeat(np.append(np.linspace(1, pace, 4), [pace] * 6), 300)
    return queries(taken, begin=np.linspace(0, 600e9 - 1, 3000), blocks=120)


def test_minutes_are_told_and_who_is_faster_at_their_end(tmp_path):
    found = pair(noisy(26, 900), noisy(27, 900))
    found[REFERENCE, "sustained"], found[FAST, "sustained"] = sustained(1.0, 28), sustained(2.0, 29)
    found[FAST, "sustained"] = queries(
        found[FAST, "sustained"].taken * 0.8, begin=found[FAST, "sustained"].begin, blocks=120
    )
    readings = [{"at_s": 61.0, "celsius": {"cpu": 70.0}, "mhz": [1500.0], "throttled": ["too hot"]}]
    run = timed_run(
        tmp_path,
        found,
        entries={(FAST, "sustained"): entry(found[FAST, "sustained"], readings=readings)},
        places={HERE: {"place": {"name": "here"}}},
    )
    timing, speedups, timed = told(run)
    timing.latency(REFERENCE)
    values = timing.latency(FAST)["sustained"]
    assert len(values["minutes"]) == 10
    assert values["minutes"][1]["celsius"] == 70.0
    assert values["drift"] == pytest.approx(1.0, abs=0.1)
    assert values["steady_from_s"] == 180.0
    assert speedups["sustained"]["ratio"] == pytest.approx(1 / 1.6, rel=0.02)
    assert kinds(timed) == ["throttled"]
    assert timing.machine["marks"] == [
        f"{FAST} is faster than {REFERENCE} in the first minute, and slower in the last."
    ]


def test_a_run_without_a_record_has_figures_still(tmp_path):
    run = timed_run(tmp_path, pair(noisy(30, 900, 6.0), noisy(31, 900, 3.0)))
    bare = type(run)({"scenarios": {}, "targets": {}}, run.path, run.pairs)
    timing, speedups, timed = told(bare)
    assert timing.latency(FAST)[STREAM]["rounds"] == 3
    assert speedups[STREAM]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert (timed["marks"], timed["checked"]) == ([], 0)
    assert timed_answers(FAST, timed) is None
    assert timing.machine is None


def test_what_is_fed_from_the_stored_image_is_looked_at(tmp_path):
    feeds = [
        {"feed": "contract", "samples": 400, "images": 32, "wrong": 3, "differ": 0},
        {"feed": "pipeline/decode=opencv", "samples": 400, "images": 32, "wrong": 0, "differ": 5},
    ]
    run = timed_run(tmp_path, pair(noisy(35, 900, 6.0), noisy(36, 900, 3.0)))
    run.values["targets"][FAST]["end_to_end"] = feeds
    timing, _, timed = told(run)
    assert [(mark["kind"], mark["scenario"]) for mark in timed["marks"]] == [
        ("wrong", "end_to_end"),
        ("differs", "end_to_end"),
    ]
    assert timing.latency(FAST)["end_to_end"] == feeds
    assert "3 of 400 answers" in timed_answers(FAST, timed).says


def test_further_builds_are_looked_at_too(tmp_path):
    found = pair(noisy(32, 900, 6.0), noisy(33, 900, 3.0))
    second = f"{FAST}#2"
    found[second, STREAM] = queries(noisy(34, 900, 3.1), ROUNDS)
    run = timed_run(tmp_path, found, entries={(second, STREAM): entry(found[second, STREAM], wrong=3, worst=1.0)})
    timing = Timing(run, TARGETS, [REFERENCE, FAST, second], seed=0)
    (mark,) = timing.timed([FAST, second], {})["marks"]
    assert (mark["kind"], mark["build"]) == ("wrong", second)
    assert timing.speedups(TARGETS[1], [FAST, second])[STREAM]["ratio"] == pytest.approx(6 / np.sqrt(3 * 3.1), rel=0.01)


BESIDE, THERE, ALONE = "onnxruntime/fp32@pi5/cpu", "onnxruntime/int8@pi5/cpu", "onnxruntime/int8@nano/cpu"


def on_boards(tmp_path, **how):
    """This machine, a board with an fp32 target and one without."""
    found = pair(noisy(40, 900, 6.0), noisy(41, 900, 3.0))
    for seed, (name, ms) in enumerate([(BESIDE, 40.0), (THERE, 25.0), (ALONE, 9.0)]):
        found[name, STREAM] = queries(noisy(42 + seed, 900, ms), ROUNDS)
    asked = [*TARGETS, *map(target_of, (BESIDE, THERE, ALONE))]
    run = timed_run(tmp_path, found, **how)
    return Timing(run, asked, [target.id for target in asked], seed=0), {target.id: target for target in asked}


def test_a_speed_up_is_told_against_fp32_at_the_same_place_and_nowhere_else(tmp_path):
    timing, asked = on_boards(tmp_path)
    told = {name: timing.speedups(target, [name]).get(STREAM) for name, target in asked.items()}
    assert [name for name, one in told.items() if one is None] == [REFERENCE, BESIDE, ALONE]
    assert (told[FAST]["against"], told[THERE]["against"]) == (REFERENCE, BESIDE)
    assert (told[FAST]["ratio"], told[THERE]["ratio"]) == (pytest.approx(2.0, 0.02), pytest.approx(1.6, 0.02))
    paces = {name: timing.pace(target, {STREAM: 1} if told[name] else {}) for name, target in asked.items()}
    assert paces[REFERENCE] == paces[BESIDE] == {"against": None, "unknown": None}
    assert paces[THERE] == {"against": BESIDE, "unknown": None}
    assert paces[ALONE] == {"against": None, "unknown": "nothing on nano runs in fp32 (--bits 32 adds it)"}
    assert timing.pace(asked[THERE], {})["unknown"] == f"it was not timed together with {BESIDE}"


def test_an_fp32_target_that_came_to_an_end_leaves_no_speed_up_and_says_so(tmp_path):
    found = pair(noisy(40, 900, 6.0), noisy(41, 900, 3.0))
    found[THERE, STREAM] = queries(noisy(42, 900, 25.0), ROUNDS)
    asked = [*TARGETS, target_of(BESIDE), target_of(THERE)]
    timing = Timing(timed_run(tmp_path, found), asked, [REFERENCE, FAST, THERE], seed=0)
    assert timing.speedups(asked[3], [THERE]) == {}
    assert timing.pace(asked[3], {}) == {"against": BESIDE, "unknown": f"{BESIDE} was not timed"}


def test_each_place_has_its_machine_its_rounds_and_its_names(tmp_path):
    disturbed = scenario(queries(noisy(1, 900), ROUNDS), reasons=["a burner took 90 % of a core"])
    disturbed["rounds"][0]["kept"] = False
    timing, _ = on_boards(
        tmp_path,
        places={
            HERE: {"place": {"name": HERE, "processor": "Known"}},
            "pi5": {
                "place": {"name": "pi5", "model": "Raspberry Pi 5 Model B Rev 1.0", "processor": "Cortex-A76"},
                "machine": {"before": {"gpus": []}, "during": [{}], "after": {}},
                "scenarios": {STREAM: disturbed},
            },
        },
    )
    assert timing.machine["marks"] == []
    assert list(timing.boards) == ["pi5"], "of the other board nothing was read"
    (mark,) = timing.boards["pi5"]["marks"]
    assert mark.startswith("single-stream: 1 of 3 starts were disturbed and left out: a burner")
    assert names_of_place(timing.machine) == ["Known"]
    names = names_of_place(timing.boards["pi5"], "pi5")
    assert names == ["pi5", "Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76"]

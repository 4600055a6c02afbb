"""MLPerf's load generator asks our engine; what goes wrong in its threads is told."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seatrial.engines.timing import loadgen
from seatrial.engines.timing.block import Block
from seatrial.engines.timing.fresh import Freshener
from seatrial.engines.timing.loadgen import Expected, cautions
from seatrial.engines.timing.loadgen_log import entries, figures, logs_of
from seatrial.engines.timing.message import loadgen_of
from seatrial.engines.timing.samples import Samples
from seatrial.errors import UnsupportedError
from seatrial.packages import PackageError

INPUTS = np.random.default_rng(0).standard_normal((8, 3, 2, 2), np.float32)
EXPECTED = Expected(query_s=0.001, images_per_s=1000, bound_ms=15)


def scores(batch):
    return batch.reshape(len(batch), -1)[:, :4].copy()


SAMPLES = Samples(INPUTS, scores(INPUTS), np.zeros(8, np.bool_), Freshener(INPUTS))


def line(key, value):
    """As mlcommons-loadgen 6.0.17 writes it."""
    facts = {"time_ms": 300.1, "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": {"pid": 1}}
    return f":::MLLOG {json.dumps({'key': key, 'value': value, **facts})}\n"


def log(**values):
    """The results of a single stream, as 6.0.17 wrote them."""
    found = {
        "loadgen_version": "6.0.17 @ d6147c7eb7",
        "result_validity": "VALID",
        "result_min_duration_met": True,
        "result_min_queries_met": True,
        "early_stopping_met": True,
        "result_query_count": 264,
        "early_stopping_latency_ss": 1125953,
        "early_stopping_latency_ms": 0,
        "result_50.00_percentile_latency_ns": 1107727,
        "result_90.00_percentile_latency_ns": 1118510,
        "result_99.00_percentile_latency_ns": 1283976,
        "result_99.90_percentile_latency_ns": 5091396,
        **values,
    }
    return "".join(line(key, value) for key, value in found.items())


def test_figures_are_those_of_its_log():
    found = figures(log(), "single-stream")
    assert (found["valid"], found["says"], found["queries"], found["images_per_s"]) == (True, (), 264, None)
    assert found["milliseconds"] == {"p50": 1.107727, "p90": 1.11851, "p99": 1.283976, "p99.9": 5.091396}
    assert found["bounds_ms"] == {"p90": 1.125953}  # too few queries for p99: 0


def test_of_eight_images_at_once_the_query_counts():
    values = {"result_99.00_percentile_per_query_latency_ns": 12634785, "early_stopping_latency_ms": 13000000}
    found = figures(log(**values), "multi-stream")
    assert found["milliseconds"] == {"p99": 12.634785}
    assert found["bounds_ms"] == {"p99": 13.0}


@pytest.mark.parametrize("key", ["result_samples_per_second", "result_completed_samples_per_sec"])
def test_images_per_second_are_told(key):
    assert figures(log(**{key: 913.92}), "offline")["images_per_s"] == 913.92


def test_what_is_not_valid_says_why():
    values = {"result_validity": "INVALID", "result_min_duration_met": False, "result_invalid_reason": "Increase it. "}
    found = figures(log(**values, early_stopping_met=False), "offline")
    assert not found["valid"]
    assert found["says"] == (
        "the minimum duration was not reached",
        "too few queries for a bound at 99 % confidence",
        "Increase it.",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ":::MLLOG {",
        ":::MLLOG 5",
        ':::MLLOG {"key": 1}',
        log(result_validity="GOOD"),
        log(result_query_count="x"),
    ]
    + [log(**{"result_90.00_percentile_latency_ns": value}) for value in (-1, "x", float("inf"), [])],
)
def test_what_is_no_log_is_refused(text):
    with pytest.raises((KeyError, TypeError, ValueError)):
        figures(text, "single-stream")


def message(**more):
    logs = {"mlperf_log_detail.txt": log(), "mlperf_log_summary.txt": "Summary"}
    return {
        "version": "6.0.17",
        "cautions": [],
        "unasked": 0,
        "checked": 2,
        "wrong": 1,
        "worst": 0.5,
        "logs": logs,
        **more,
    }


def test_queries_that_were_not_asked_are_told():
    found = loadgen_of(message(unasked=3), [np.array([5, 6])], "single-stream")
    assert not found.valid
    assert "3 queries were answered without the engine" in found.says[0]
    assert (found.checked, found.wrong, found.logs["mlperf_log_summary.txt"]) == (2, 1, "Summary")


@pytest.mark.parametrize("names", [["../../evil"], ["mlperf_log_detail.txt", "mlperf.conf"]])
def test_logs_of_other_names_are_refused(names):
    with pytest.raises(ValueError, match="logs"):
        logs_of(dict.fromkeys(names, ""))


def test_an_old_version_is_told():
    """Which pip takes without a word where the system's C library is old."""
    (says,) = cautions("5.0.20")
    assert "5.0.20 is old" in says
    assert cautions("6.0.17") == cautions("10.1") == cautions("unknown") == []


def test_where_it_is_missing_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(PackageError, match=r"seatrial\[loadgen\]"):
        loadgen.run(scores, SAMPLES, Block("single-stream", queries=5, seconds=0.1), EXPECTED)


class FakeModule:
    """Issues `min_query_count` queries from a thread of its own, as the real one may; an exception there is lost."""

    TestScenario = SimpleNamespace(SingleStream=1, MultiStream=2, Offline=3, Server=4)
    TestMode = SimpleNamespace(PerformanceOnly=1)
    TestSettings = LogSettings = LogOutputSettings = SimpleNamespace

    def __init__(self):
        self.done, self.settings = [], None

    def ConstructSUT(self, issue, flush):
        self.issue = issue
        return "sut"

    def ConstructQSL(self, total, kept, load, unload):
        return total

    def DestroySUT(self, sut):
        self.done.append("sut destroyed")

    def DestroyQSL(self, library):
        self.done.append("library destroyed")

    def QuerySampleResponse(self, number, data, size):
        return number

    def QuerySamplesComplete(self, responses):
        self.done += responses
        if len(self.done) >= self.expected:
            self.complete.set()

    def StartTestWithLogSettings(self, sut, library, settings, log_settings, audit):
        self.settings, self.complete = settings, threading.Event()
        once = settings.scenario == self.TestScenario.Offline
        size = settings.multi_stream_samples_per_query if settings.scenario == self.TestScenario.MultiStream else 1
        queries = settings.min_query_count
        self.expected = queries * size
        numbers = [SimpleNamespace(id=number, index=number % library) for number in range(self.expected)]

        def issue():
            for start in range(0, len(numbers), len(numbers) if once else size):
                self.issue(numbers[start:] if once else numbers[start : start + size])

        thread = threading.Thread(target=issue)
        thread.start()
        thread.join()
        assert self.complete.wait(20)
        for name, text in (("summary", "Summary"), ("detail", log())):
            (Path(log_settings.log_output.outdir) / f"mlperf_log_{name}.txt").write_text(text)


@pytest.fixture
def fake(monkeypatch):
    module = FakeModule()
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", module)
    return module


SCENARIOS = [
    Block("single-stream", queries=30, seconds=5),
    Block("multi-stream", samples=8, queries=30, seconds=5),
    Block("offline", samples=4, workers=2, queries=30, seconds=5),
    Block("server", workers=2, queries=30, seconds=5, rate=100.0),
]


@pytest.mark.parametrize("block", SCENARIOS, ids=lambda block: block.scenario)
def test_every_sample_is_answered_and_checked(fake, block):
    seen = []

    def infer(batch):
        seen.append(batch.shape)
        return scores(batch)

    found = loadgen.run(infer, SAMPLES, block, EXPECTED)
    assert sorted(fake.done[:-2]) == list(range(fake.expected))
    assert fake.done[-2:] == ["library destroyed", "sut destroyed"]
    assert set(seen) == {(block.samples, 3, 2, 2)}
    assert sum(one.answers.checked for one in found.lines) == sum(len(one.service) for one in found.lines) == len(seen)
    assert sum(one.answers.wrong for one in found.lines) == found.unasked == 0
    assert found.logs["mlperf_log_summary.txt"] == "Summary"
    assert (fake.settings.min_duration_ms, fake.settings.min_query_count) == (5000, 30)
    if block.scenario == "server":
        assert (fake.settings.server_target_qps, fake.settings.server_target_latency_ns) == (100.0, 15_000_000)


@pytest.mark.parametrize("block", SCENARIOS, ids=lambda block: block.scenario)
def test_what_the_engine_raises_in_its_threads_comes_through(fake, block):
    calls = []

    def infer(batch):
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("the engine")
        return scores(batch)

    with pytest.raises(RuntimeError, match="the engine"):
        loadgen.run(infer, SAMPLES, block, EXPECTED)
    assert len(calls) <= 3 + block.workers
    assert fake.done[-2:] == ["library destroyed", "sut destroyed"]


def test_a_wrong_answer_is_counted(fake):
    found = loadgen.run(lambda batch: scores(batch) * 0, SAMPLES, SCENARIOS[0], EXPECTED)
    assert found.lines[0].answers.wrong == 30


def test_an_engine_that_is_far_too_slow_is_given_up(fake, monkeypatch):
    monkeypatch.setattr(loadgen, "PATIENCE", 1e-9)
    assert loadgen.run(scores, SAMPLES, SCENARIOS[2], EXPECTED).unasked > 0


def test_a_scenario_that_it_does_not_have_is_refused(fake):
    with pytest.raises(UnsupportedError, match="no scenario 'sustained'"):
        loadgen.run(scores, SAMPLES, Block("sustained", queries=5, seconds=1), EXPECTED)


@pytest.mark.parametrize("block", SCENARIOS, ids=lambda block: block.scenario)
def test_the_real_one_asks_as_much(block):
    """Numbers are not judged here: another test compares it with our loops where it is quiet."""
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen has no wheel for this machine, or is not installed")
    import dataclasses

    block = dataclasses.replace(block, seconds=0.3)
    found = loadgen.run(scores, SAMPLES, block, EXPECTED)
    result = figures(found.logs["mlperf_log_detail.txt"], block.scenario)
    assert sum(one.answers.wrong for one in found.lines) == 0
    calls = sum(len(one.service) for one in found.lines)
    if block.scenario == "offline":
        assert result["images_per_s"] > 0
        assert calls >= 200 / 4
    else:
        assert result["queries"] == calls + found.unasked >= 30
        assert 0 < result["milliseconds"]["p50"] <= result["milliseconds"]["p90"] <= result["milliseconds"]["p99"]
    assert entries(found.logs["mlperf_log_detail.txt"])["loadgen_version"].partition(".")[0].isdigit()
    assert f"Scenario : {loadgen.SCENARIOS[block.scenario]}" in found.logs["mlperf_log_summary.txt"]

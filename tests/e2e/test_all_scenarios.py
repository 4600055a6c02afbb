"""All scenarios of a run with tiny durations, from the command to summary.json, the page and the terminal."""

import html
import json

import pytest
from conftest import bench

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.records.latencies import timed
from seatrial.harness.run.timing import server

WORDS = ["--limit", 40, "--conditions", "clean", "--advisory", "--scenario", "all", "--duration", 0.05]
WORDS += ["--sustained", 1, "--starts", 1, "--timing-budget", 0]
WORDS += ["--end-to-end", "contract", "--end-to-end", "pipeline/decode=opencv"]


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("scenarios") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # The search for a rate is that of an impatient user: few queries, and whatever is found is confirmed by few.
        for name, value in {"_SEARCHED": 20, "_LEAST_S": 0.05, "_SEARCHED_S": 0.1, "_CONFIRMATIONS": 1}.items():
            patch.setattr(server, name, value)
        for name, value in {"_LEAST_CONFIRMED_S": 0.1, "_CONFIRMED_S": 0.1, "_LONGEST_S": 0.2}.items():
            patch.setattr(server, name, value)
        done = bench([*WORDS, "--out", out])
    assert done.returncode == 0, done.stderr
    return out, done


def test_every_scenario_of_every_target_is_timed_and_its_samples_kept(demo_run):
    out, _ = demo_run
    summary = json.loads((out / "summary.json").read_text())
    keys = {scenario.key for scenario in SCENARIOS.values()}
    names = [target["id"] for target in summary["targets"]]
    assert set(timed(out / "latency.parquet")) == {(name, key) for name in names for key in keys}
    for target in summary["targets"]:
        latency = target["latency"]
        assert keys | {"end_to_end"} <= latency.keys()
        assert latency["single_stream"]["p50_ms"] < latency["multi_stream"]["p50_ms"]  # one image, eight
        assert latency["offline"]["images_per_s"] > 0
        assert latency["server"]["bound_ms"] == 15
        assert latency["server"]["tried"]
        assert latency["sustained"]["seconds"] == pytest.approx(1, abs=0.7)
        feeds = {entry["feed"]: entry for entry in latency["end_to_end"]}
        assert list(feeds) == ["contract", "pipeline/decode=opencv"]
        for entry in feeds.values():
            assert entry["input"] == "jpeg"
            assert entry["wrong"] == entry["differ"] == 0
            assert entry["p50_ms"] > entry["host_ms"] > 0
            assert min(entry["decode_ms"], entry["resize_ms"], entry["normalise_ms"]) > 0


def test_no_answer_was_another_while_it_was_timed(demo_run):
    out, _ = demo_run
    summary = json.loads((out / "summary.json").read_text())
    for target in summary["targets"]:
        assert not {mark["kind"] for mark in target["timed"]["marks"]} & {"wrong", "stale", "cached"}


def test_the_page_and_the_terminal_tell_all_of_them(demo_run):
    out, done = demo_run
    page, shown = html.unescape((out / "report.html").read_text()), " ".join(done.stdout.split())
    for words in (">Single stream<", ">Multi stream<", ">Offline<", ">Server<", ">Sustained<", "Decoder: opencv"):
        assert words in page
    assert "p50 ms" in shown


def test_a_pipeline_that_is_none_is_refused_before_anything_is_built(tmp_path):
    done = bench(
        ["--limit", 40, "--conditions", "clean", "--end-to-end", "pipeline/decode=gimp", "--out", tmp_path / "o"]
    )
    assert done.returncode == 2
    assert "matches no pipeline. Known: contract, pipeline/decode=pillow" in done.stderr
    assert "Building" not in done.stderr

"""What was timed, in words: in the terminal at any width, in report.md, and in the files that CI systems read."""

import io

import pytest
from rich.console import Console
from summaries import make_summary, percentiles
from timed_runs import ALONE, BESIDE, KINDS, NAMES, THERE, make_on_boards, make_timed

from seatrial.harness.report import timed, words
from seatrial.harness.report.console import print_summary
from seatrial.harness.report.files.bencher import benchmarks
from seatrial.harness.report.files.markdown import markdown
from seatrial.harness.report.files.metrics import metric_name, metrics
from seatrial.harness.report.html import render_report

FP32, INT8, OTHER = NAMES


def shown(summary, folder, width):
    stream = io.StringIO()
    print_summary(summary, folder, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_scenario_stands_whole_in_the_terminal(tmp_path, width):
    text = shown(make_timed(), tmp_path, width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith("Report: "))
    one_line = " ".join(text.split())
    for figure in ("1,058 [1,038, 1,077]", "865 [865, 1,298]", "+18.0 %", "180 s", "1.83 [1.74, 1.92]"):
        assert figure in one_line
    for title in (
        "multi stream: eight images",
        "offline: all images at once",
        "server: one image",
        "sustained: single",
    ):
        assert title in one_line
    assert f"By p50, in the first minute and in the last: {INT8}, {FP32}, {OTHER}." in one_line


def test_a_table_of_the_terminal_has_the_largest_percentile_that_is_carried(tmp_path):
    summary = make_timed(marked=[])
    header, *_ = [line for line in shown(summary, tmp_path, 120).splitlines() if "realized" in line]
    assert header.split()[-4:] == ["p50", "ms", "p99", "ms"]
    for target in summary["targets"]:
        target["latency"]["single_stream"] = percentiles(2.0, samples=129)
    text = shown(summary, tmp_path, 120)
    header, *_ = [line for line in text.splitlines() if "realized" in line]
    assert header.split()[-4:] == ["p50", "ms", "p90", "ms"]
    assert "single stream: 129 samples carry p90 and nothing beyond it; p99 needs 662." in " ".join(text.split())
    summary["targets"][0]["latency"]["single_stream"] = percentiles(2.0, samples=9)
    assert "9 samples carry no percentile" in " ".join(shown(summary, tmp_path, 120).split())


def test_marks_are_sentences_the_worst_first(tmp_path):
    text = " ".join(shown(make_timed(), tmp_path, 80).split())
    titles = [
        f"{title} ({INT8}, single stream): zone says so." for kind, title in timed.KINDS.items() if kind != "machine"
    ]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "The machine: zone took 62 % of a core." in text


def test_a_mark_ends_as_a_sentence_does():
    assert timed.Mark("wrong", "", "12 answers are others").sentence == "12 answers are others."
    assert timed.Mark("wrong", "", "A burner ran.").sentence == "A burner ran."


def test_nothing_is_said_where_nothing_but_single_queries_was_timed(tmp_path):
    text = shown(make_summary(), tmp_path, 80)
    for word in ("multi stream", "offline", "sustained", "The machine", "carry"):
        assert word not in text
    assert "## Latency" not in markdown(make_summary())


def test_untrue_answers_have_no_speed():
    summary = make_timed()
    assert "cannot be trusted, so its speed says nothing" in words.headline(summary, summary["targets"][1])
    assert "1.55 times slower than fp32" in words.headline(summary, summary["targets"][2])
    summary["targets"][2]["metrics"]["speedup"] = None
    assert "is not known" in words.headline(summary, summary["targets"][2])


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("single_stream", "p50 2.00 ms, p99 4.00 ms"),
        ("multi_stream", "p50 15.0 ms, p95 28.8 ms"),
        ("offline", "550 [540, 560] images/s"),
        ("server", "450 [450, 675] queries/s within 15 ms"),
        ("sustained", "p50 2.30 ms, drift +18.0 %, steady from 180 s"),
        ("unknown", "-"),
    ],
)
def test_figures_of_a_scenario_in_a_few_words(scenario, says):
    assert timed.figures(make_timed()["targets"][0], scenario) == says


def test_report_md_has_the_marks_and_every_scenario():
    page = markdown(make_timed())
    latency = page[page.index("## Latency") :]
    assert "- The machine: zone took 62 % of a core." in latency
    assert f"| `{INT8}` | offline | 1,058 \\[1,038, 1,077] images/s | 1.83 \\[1.74, 1.92] |" in latency
    assert latency.index("Wrong answers") < latency.index("| target |")


def test_metrics_have_every_figure_and_leave_out_what_is_null():
    found = metrics(make_timed())
    int8 = INT8.replace("@", "_")
    expected = {
        "latency/single_stream/p99_ms": 2.08,
        "latency/single_stream/ci95/p50_ms/low": 1.04 * 0.98,
        "latency/offline/images_per_s": 1100 / 1.04,
        "latency/server/queries_per_s": 865,
        "latency/server/ends/high": 865 * 1.5,
        "latency/sustained/drift": 0.18,
        "latency/end_to_end/contract/decode_ms": 1.2,
        "latency/device/compute_ms": 0.52,
        "metrics/speedups/offline/ci95/low": 1.9 / 1.04 * 0.95,
        "timed/energy/zone/net_joules_per_image": 0.0104,
        "timed/memory/host_bytes": 250_000_000,
        "timed/sweep/threads_2_batch_16/p90_ms": 1.04 * 9,
        "timed/loadgen/single_stream/p50_ms": 1.04 * 1.01,
        "timed/marks": len(KINDS),
    }
    for name, value in expected.items():
        assert found[f"{int8}/{name}"] == pytest.approx(value), name
    assert f"{int8}/latency/single_stream/p99.9_ms" not in found
    assert not [name for name in found if "/minutes" in name or "/tried" in name or name.endswith("/says")]


def test_two_entries_of_a_list_are_no_interval():
    summary = make_timed()
    latency = summary["targets"][0]["latency"]
    latency["server"]["tried"] = latency["server"]["tried"][:2]
    latency["sustained"]["minutes"] = latency["sustained"]["minutes"][:2]
    assert not [name for name in metrics(summary) if "/tried" in name or "/minutes" in name]


def test_bencher_gets_every_scenario():
    found = benchmarks(make_timed())[INT8]
    assert found["p50-ms"] == pytest.approx({"value": 1.04, "lower_value": 1.04 * 0.98, "upper_value": 1.04 * 1.03})
    assert found["multi-stream-p95-ms"]["value"] == pytest.approx(1.04 * 7.5 * (1 + 45 / 49))
    assert found["offline-images-per-s"]["value"] == pytest.approx(1100 / 1.04)
    assert found["server-queries-per-s"] == {"value": 865}
    assert found["sustained-p50-ms"] == {"value": pytest.approx(1.04 * 1.15)}
    assert found["joules-per-image-zone"] == {"value": pytest.approx(0.0123 * 1.04)}
    assert "p99-9-ms" not in found


def test_a_change_of_speed_since_the_baseline_is_told_everywhere(tmp_path):
    change = {"images": 9, "before": 0.9, "after": 0.9, "delta": 0.0, "ci95": [-0.1, 0.1], "agreement": 1.0, "p": 1.0}
    flips = {"negative_flips": 0.0, "positive_flips": 0.0}
    speed = {"before": 1.93, "after": 1.7, "ratio": 0.881, "ci95": [0.802, 0.963]}
    target = {"conditions": {"clean": {**change, **flips}}, "corrupted": None, "classes": {}, "likeness": {}}
    summary = make_summary()
    found = {"first": "old", "second": "new", "changed": {}, "alone": [], "left_out": {}}
    summary["baseline"] = {**found, "targets": {"new/x@cpu": {**target, "speed": speed}}}
    says = "1.93 -> 1.70 times as fast as fp32, 88.1 % of what it was (80.2 to 96.3)"
    assert f"new/x@cpu: {says}." in " ".join(shown(summary, tmp_path, 80).split())
    assert says.replace(">", "&gt;") in render_report(summary)
    assert "1.93 -> 1.70 times as fast as fp32" in markdown(summary)
    assert metrics(summary)["new/x_cpu/baseline/speed/ratio"] == 0.881
    summary["baseline"]["targets"]["new/x@cpu"]["speed"] = None
    assert "of what it was" not in render_report(summary) + shown(summary, tmp_path, 80) + markdown(summary)


def test_of_many_marks_the_worst_stand_in_the_terminal(tmp_path):
    many = [{"kind": "wide", "scenario": f"s{number}", "says": "so"} for number in range(20)]
    text = shown(make_timed(marked=[*many, {"kind": "wrong", "scenario": None, "says": "others"}]), tmp_path, 80)
    one_line = " ".join(text.split())
    assert one_line.index(f"Wrong answers ({INT8}): others.") < one_line.index("Interval wider than asked")
    assert "and 10 more marks, in the report" in one_line


def test_a_board_is_told_against_fp32_there_or_not_at_all(tmp_path):
    summary = make_on_boards()
    targets = {target["id"]: target for target in summary["targets"]}
    assert "It answers 1.60 times as fast as fp32 on pi5" in words.headline(summary, targets[THERE])
    assert words.headline(summary, targets[BESIDE]).endswith("Speeds on pi5 are told against its own.")
    alone = "How fast it answers against fp32 on nano is not known: nothing on nano runs in fp32 (--bits 32 adds it)."
    assert words.headline(summary, targets[ALONE]).endswith(alone)
    beside = (
        f"Times as fast as the fp32 target of the same place: {FP32}, {BESIDE}. A speed-up is not told where nothing "
        "on nano runs in fp32 (--bits 32 adds it)."
    )
    assert timed.yardsticks(summary) == beside
    assert beside in " ".join(shown(summary, tmp_path, 80).split())
    assert "--bits 32" in markdown(summary)
    assert timed.yardsticks(make_timed()) is None
    marks = {mark.title: mark.says for mark in timed.marks(summary) if mark.kind == "machine"}
    assert marks["The machine (pi5)"] == "It became hot."
    assert len(timed.rankings(summary)) == 2, "this machine's and pi5's; one target alone has no order"
    measures = benchmarks(summary)
    assert measures[THERE]["speed-up"]["value"] == 1.6
    assert "speed-up" not in measures[ALONE]
    assert metrics(summary)[f"{metric_name(THERE)}/metrics/speedup/ratio"] == 1.6

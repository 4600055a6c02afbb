"""The section Latency: the answer and what stands in its way first, then what was asked, and nothing else."""

import dataclasses
import functools
import itertools
import re

import pytest
from markupsafe import Markup
from summaries import EVIL, make_summary, parsed, percentiles
from timed_runs import (
    ALONE,
    BESIDE,
    KINDS,
    NAMES,
    THERE,
    bare_reading,
    make_layers,
    make_on_boards,
    make_shown,
    make_timed,
    make_timing,
    make_tracks,
    marks,
    reading,
)

from seatrial.harness.records.timing import HERE
from seatrial.harness.report.html import render_report
from seatrial.harness.report.page.latency import latency as section
from seatrial.harness.report.page.part import Shown
from seatrial.harness.report.page.timing.machine import machine
from seatrial.harness.report.page.timing.rounds import beside, rounds

FP32, INT8, OTHER = NAMES


@functools.cache
def whole():
    """The section of all that can be timed."""
    return section(make_shown()).body


def read(body):
    """As it is read."""
    return Markup(re.sub(r">\s*<", "> <", body)).striptags()


def said(shown):
    return read(section(shown).body)


def headings(body):
    return re.findall("<h3>(.*?)</h3>", body)


def made(*scenarios, **changes):
    """A summary of these scenarios alone, without what is measured beside them: it is drawn at once."""
    summary = make_timed(**changes)
    for target in summary["targets"]:
        target["latency"] = {key: one for key, one in target["latency"].items() if key in scenarios}
        target["timed"] = {"marks": target["timed"]["marks"]}
    return summary


def test_marks_and_the_answer_stand_first_then_every_scenario_and_what_was_measured_beside():
    text = read(whole())
    places = [
        text.index(word)
        for word in (
            "Wrong answers (",
            "The machine: zone took 62 % of a core.",
            f"{INT8} is 1.92 times as fast as fp32 (1.8",
        )
    ]
    assert places == sorted(places)
    assert places[-1] < text.index("Single stream One image a query")
    assert headings(whole()) == [
        *("Single stream", "Multi stream", "Offline", "Server", "Sustained"),
        *(
            "Batch sizes and threads",
            "Three clocks",
            "Energy, memory, size",
            "MLPerf&#39;s load generator",
            "The machine",
        ),
    ]


def test_what_was_not_asked_has_no_place():
    summary = make_summary()
    assert headings(section(Shown(summary)).body) == ["Single stream", "Energy, memory, size"]
    text = said(Shown(summary))
    for word in ("Offline", "Energy, memory, size Energy", "loadgen", "°C", "None", "not counted"):
        assert word not in text
    for target in summary["targets"]:
        del target["timed"], target["metrics"]["speedups"]
    assert headings(section(Shown(summary)).body) == ["Single stream", "Energy, memory, size"]


def test_a_target_that_is_slower_names_the_layers_that_fell_back():
    shown = Shown(made("single_stream"), layers=make_layers())
    slow = re.search(rf"{OTHER} is 1.55 times slower.*?10.0 %\)\.", said(shown))[0]
    assert "in conv1 (fp32, 30.0 %), conv3 (fp32, 10.0 %)." in slow
    as_asked = [{**layer, "realized": "int8"} for layer in make_layers()[OTHER]]
    assert "Every layer runs as asked for" in said(dataclasses.replace(shown, layers={OTHER: as_asked}))
    fast = dataclasses.replace(shown, layers={INT8: make_layers()[OTHER]})
    assert "conv1" not in said(fast), "nobody asks why a target is faster"


def test_answers_that_cannot_be_trusted_are_no_answer():
    text = read(whole())
    assert f"{INT8} is 1.92 times as fast as fp32 (1.83 to 2.02), if its answers counted" in text
    summary = made("single_stream", marked=marks()[3:])
    assert "if its answers counted" not in said(Shown(summary))


def test_marks_are_words_in_the_list_and_in_the_row():
    body = whole()
    row = re.search(rf'<th scope="row"[^>]*>{INT8}</th>.*?</tr>', body)[0]
    assert "wrong, stale, cached, stalls, differs, load, drift, throttled, disturbed, wide<" in row
    first, more = re.findall('<ul class="marks">(.*?)</ul>', body, re.DOTALL)
    assert first.count("<li>") == 10
    assert first.count("<li>") + more.count("<li>") == len(KINDS) + 1, "and the machine's"
    assert "1 more mark:" in body or "1 more mark<" in body
    assert "Interval wider" in more, "the worst are not folded away"


def test_what_is_said_of_several_targets_alike_is_said_once():
    summary = made("single_stream", marked=[])
    for target in summary["targets"]:
        target["timed"]["marks"] = [{"kind": "disturbed", "scenario": "offline", "says": "A burner ran."}]
    assert said(Shown(summary)).count("A burner ran.") == 1
    assert f"Disturbed ({', '.join(NAMES)}, offline): A burner ran." in said(Shown(summary))


def test_percentiles_are_told_only_where_samples_carry_them():
    shown = dataclasses.replace(make_shown(), summary=made("single_stream"))
    text = said(shown)
    assert f"{OTHER}, single stream: 64 samples carry p90 and nothing beyond it; p99 needs 662." in text
    row = re.search(rf">{OTHER}</th>(.*?)</tr>", section(shown).body)[1]
    assert [Markup(cell).striptags() for cell in re.findall("<td.*?</td>", row)][3:6] == ["5.63 [5.52, 5.80]", "-", "-"]
    for target in shown.summary["targets"]:
        target["latency"]["single_stream"] = percentiles(1.0, samples=9)
    text = said(shown)
    assert "9 samples carry no percentile; p99 needs 662." in text
    assert "no percentile is carried" in text


def test_the_distribution_ends_solid_where_the_samples_end():
    body = whole()
    assert f"{FP32}: half of the queries within 2.0" in body
    assert "carried up to p90" in body
    dotted = r"stroke-dasharray: 1,1\.65"
    assert len(re.findall(dotted, body[: body.index("Latency in milliseconds")])) == 3


def test_rounds_that_do_not_count_are_hatched_and_told():
    body = whole()
    timeline = body[body.index("Latency over the time of the run, single stream") :]
    timeline = timeline[: timeline.index("Multi stream")]
    assert "round 2 not counted" in timeline
    assert "url(#" in timeline, "a hatch"
    assert "Round 2 is not counted: zone took 62 % of a core." in Markup(timeline).striptags()
    calm = make_timing()
    for found in calm["places"][HERE]["scenarios"].values():
        found["rounds"] = [{"number": number, "kept": True, "reasons": []} for number in range(1, 5)]
    tracks = {"single_stream": make_tracks(calm)["single_stream"]}
    calm_body = section(Shown(made("single_stream"), timing=calm, tracks=tracks)).body
    assert "Latency over the time of the run" in calm_body
    assert "not counted" not in calm_body
    assert "disturbed" not in calm_body.replace("a hatched one was disturbed", "")[calm_body.index("over the time") :]
    for found in calm["places"][HERE]["scenarios"].values():
        found["rounds"][2]["reasons"] = ["a neighbour woke up"]
    kept = section(Shown(made("single_stream"), timing=calm, tracks=tracks)).body
    assert "round 3 disturbed" in kept
    assert "Round 3 was disturbed, and counts: a neighbour woke up." in kept


def test_rounds_lie_where_their_blocks_do():
    found = rounds(make_timing(), None, "single_stream")
    assert [one.number for one in found] == [1, 2, 3, 4]
    assert [one.kept for one in found] == [True, False, True, True]
    assert all(one.end_s == pytest.approx(after.begin_s) for one, after in itertools.pairwise(found))
    probes = beside(make_timing(), None, "single_stream", "probe_ns")
    assert (min(probes.values), max(probes.values)) == (1, pytest.approx(1.4, rel=0.02))
    assert beside(make_timing(), None, "server", "probe_ns") is None
    assert rounds({}, None, "single_stream") == []


def test_a_run_without_counters_or_times_has_no_empty_drawing():
    timing = make_timing()
    tracks = make_tracks(timing)
    for parts in timing["targets"].values():
        for block in parts["single_stream"]["blocks"]:
            block["counters"] = {"wall_s": 0.1, **dict.fromkeys(("probe_ns", "memory_ns", "mhz", "others"))}
    body = section(Shown(made("single_stream"), timing=timing, tracks=tracks)).body
    timeline = body[body.index("Latency over the time of the run, single stream") :]
    assert "MHz</text>" not in timeline
    flat = {name: dataclasses.replace(one, at_s=one.at_s[:1]) for name, one in tracks["single_stream"].items()}
    shown = Shown(made("single_stream"), timing=timing, tracks={"single_stream": flat})
    assert "over the time of the run" not in section(shown).body


def test_a_rate_that_none_keeps_is_said():
    summary = made("server")
    summary["targets"][1]["latency"]["server"].update(queries_per_s=None, p99_ms=None)
    text = said(Shown(summary))
    assert f"{INT8} no rate keeps it 15" in text
    assert f"{FP32}: keeps the bound up to 450 queries a second; 4 tries." in text


def test_the_order_in_the_first_and_the_last_minute_is_told():
    summary = made("sustained")
    same = f"By p50, in the first minute and in the last: {INT8}, {FP32}, {OTHER}."
    assert same in said(Shown(summary))
    summary["targets"][1]["latency"]["sustained"]["minutes"][-1]["p50_ms"] = 9.0
    other = f"in the first minute: {INT8}, {FP32}, {OTHER}; in the last: {FP32}, {OTHER}, {INT8}."
    assert other in said(Shown(summary))


def test_a_target_without_speedup_or_simulated_says_so():
    summary = made("single_stream", marked=[])
    summary["targets"][1]["metrics"]["speedup"] = None
    summary["targets"][2]["simulated"] = True
    text = said(Shown(summary))
    assert f"How fast {INT8} is against fp32 is not known." in text
    assert f"{OTHER} is simulated: its speed says nothing" in text


def read_here(machine):
    return {"places": {HERE: {"machine": machine}}}


@pytest.mark.parametrize("told", [bare_reading(), {}, {**reading(), "gpus": [], "celsius": {}}])
def test_a_machine_that_tells_little_has_few_rows(told):
    shown = Shown(make_timed(), timing=read_here({"before": told, "during": [], "after": told}))
    text = str(machine(shown) or "")
    assert "None" not in text
    assert "nan" not in text


def test_a_machine_that_lies_breaks_nothing():
    lies = {
        **dict.fromkeys(reading(), "<b>"),
        "mhz": ["fast", None, True, float("nan")],
        "celsius": {"<i>": "hot", "x": {}},
        "gpus": [1, {"name": None, "mhz": "<u>", "throttle": [None, 3]}],
        "busiest": [None, {"name": "<s>", "share": "much"}],
        "load": {},
        "jetson": [1],
    }
    text = machine(Shown(make_timed(), timing=read_here({"before": lies, "during": [lies], "after": reading()})))
    assert {"b", "i", "u", "s"} & set(parsed(text).seen) == set()
    assert "nan" not in text


def test_no_name_from_outside_becomes_markup():
    shown = make_shown(EVIL)
    for target in shown.summary["targets"]:
        target["timed"]["marks"] = [{"kind": EVIL, "scenario": EVIL, "says": EVIL}]
    text = render_report(shown.summary, shown)
    assert parsed(text).seen.count("script") == 1, "the page's own"
    assert "{{7*7}}" in text
    assert not re.search(r"<[^<>]* (style|on[a-z]+)=", text)


def test_an_end_to_end_part_that_is_not_there_has_no_column():
    summary = made("single_stream", "end_to_end", "device")
    assert "colour" not in said(Shown(summary))
    summary["targets"][0]["latency"]["end_to_end"][0]["color_ms"] = 0.3
    assert "colour" in said(Shown(summary))
    for target in summary["targets"]:
        del target["latency"]["end_to_end"], target["latency"]["device"]
    assert "Three clocks" not in headings(section(Shown(summary)).body)


def test_the_load_generator_stands_beside_our_own_loop():
    summary = made("single_stream")
    summary["targets"][0]["timed"] = make_timed()["targets"][0]["timed"]
    summary["targets"][0]["timed"]["loadgen"]["single_stream"]["p90_ms"] = percentiles(2.0)["p90_ms"] * 1.04
    assert (
        f"{FP32} single stream 2.00, 2.02 3.63, 3.78 - +4.0 % 640 zone loadgen/zone zone: too few queries; too short"
        in said(Shown(summary))
    )


def test_every_place_has_a_drawing_of_its_own_time_and_a_table_of_its_machine():
    summary = make_on_boards()
    for target in summary["targets"]:
        target["latency"] = {"single_stream": target["latency"]["single_stream"]}
        target["timed"] = {"marks": []}
    timing, there = make_timing(), make_timing("zone", targets=(BESIDE, THERE))
    timing["places"]["pi5"] = {**there["places"][HERE], "place": {"name": "pi5", "model": "Raspberry Pi 5"}}
    tracks = {"single_stream": {**make_tracks(timing)["single_stream"], **make_tracks(there)["single_stream"]}}
    timing["targets"].update(there["targets"])
    assert len(rounds(timing, None, "single_stream")) == len(rounds(timing, "pi5", "single_stream")) == 4
    body = section(Shown(summary, timing=timing, tracks=tracks)).body
    drawn = body.index("Latency over the time of the run on pi5, single stream")
    assert body.index("Latency over the time of the run, single stream") < drawn
    text = read(body)
    assert "pi5 before, during and after" in text
    assert "Raspberry Pi 5" in text
    assert f"How fast {ALONE} is against fp32 on nano is not known: nothing on nano runs in fp32" in text
    assert f"Times as fast as the fp32 target of the same place: {FP32}, {BESIDE}." in text

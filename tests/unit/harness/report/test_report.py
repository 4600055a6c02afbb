"""The report: what it says, and that nothing foreign becomes markup."""

import base64
import hashlib
import html
import io
import re

import pytest
from rich.console import Console
from summaries import EVIL, guard, make_summary, parsed

from seatrial.harness.conditions.kinds.corruption.words import corruption_error
from seatrial.harness.report import words
from seatrial.harness.report.console import print_summary
from seatrial.harness.report.guard import meaning
from seatrial.harness.report.html import render_report
from seatrial.harness.typeset import numbers


def test_the_report_shows_the_figures():
    text = render_report(make_summary())
    for figure in (
        "90.00 %",
        "-2.00 [-3.00, -1.00]",
        "int8 75.0 %, fp32 25.0 %",
        "REGRESSION",
        "2.00 times as fast",
        "mCE 76.4",
    ):
        assert figure in text
    assert {"table", "svg", "figure"} <= set(parsed(text).seen)


def test_no_text_from_outside_becomes_markup():
    text = render_report(make_summary(name=EVIL, corruptions=("<img src=x>",)))
    tags = parsed(text)
    assert tags.seen.count("script") == 1, "the page's own"
    assert "img" not in tags.seen
    assert "{{7*7}}" in text


def test_the_report_needs_no_network_and_runs_its_own_script_alone():
    text = render_report(make_summary())
    tags = parsed(text)
    assert "link" not in tags.seen
    assert all(link.startswith("#") for link in tags.links)
    assert not re.search(r"url\((?!#)|@import", text)
    assert not re.search(r"<[^<>]* (style|on[a-z]+)=", text), "no policy lets these in"
    policy = html.unescape(re.search('Content-Security-Policy" content="([^"]*)"', text)[1])
    for name in ("style", "script"):
        (content,) = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_the_same_figures_give_the_same_bytes():
    assert render_report(make_summary()) == render_report(make_summary())


def test_a_run_without_corruptions_has_no_figure():
    assert "<svg" not in render_report(make_summary(corruptions=()))


@pytest.mark.parametrize("corruptions", [("pixelate",), ()])
def test_the_terminal_shows_the_answer(tmp_path, corruptions):
    stream = io.StringIO()
    print_summary(make_summary(name=EVIL, corruptions=corruptions), tmp_path, Console(file=stream, width=100))
    text = stream.getvalue()
    for figure in ("ref/x@cpu", "90.00 %", "-2.00", "REGRESSION", "new/x@cpu: ", EVIL[:8]):
        assert figure in text


def test_the_terminal_says_what_to_do_with_the_command_to_copy(tmp_path):
    command = "bench.py diff --model m.onnx --remedy " + "--keep-float a_long_name " * 5
    finding = {"cause": "layer", "target": "new/x@cpu", "says": "conv1 is lost.", "remedy": "Leave it in float."}
    found = [{**finding, "command": command, "likelihood": 0.9, "evidence": {}}] * 7
    stream = io.StringIO()
    print_summary({**make_summary(), "findings": found}, tmp_path, Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    start = lines.index("What to do:")
    assert lines[start + 1 : start + 3] == ["  new/x@cpu: conv1 is lost. Leave it in float.", f"    {command}"]
    assert lines[-2] == "  and 2 more, in the report"
    assert lines[-1].startswith("Report: ")


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_every_target_stands_whole_in_the_terminal(tmp_path, count, width):
    ids = [
        *("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu", "openvino/sim-w4a4@cpu", "openvino/sim-w4a8@cpu"),
        *("tensorrt-rtx/int8@cuda:0", "tensorrt-rtx/int8@cuda:1", "pytorch/fp16@cuda:0", "vendor:onnxruntime/int8@cpu"),
    ][:count]
    summary = make_summary(name="signs")
    first, other = summary["targets"]
    summary["targets"] = [{**(other if place else first), "id": name} for place, name in enumerate(ids)]
    pairs = [(one, two) for place, one in enumerate(ids) for two in ids[place + 1 :]]
    found = [{"first": one, "second": two, "differing": 3, "same_file": False} for one, two in pairs]
    summary.update(reference=ids[0], agreement={"condition": "clean", "pairs": found}, failed=[])
    stream = io.StringIO()
    print_summary(summary, tmp_path, Console(file=stream, width=width))
    text = stream.getvalue()
    assert "…" not in text
    tables = text[: text.index(" scores ")] if count > 1 else text
    for name in ids:
        assert tables.count(name) >= 2  # of the targets, and of the corruptions
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith("Report: "))


def test_released_corruptions_need_no_clean_images(tmp_path):
    summary = make_summary(clean=False)
    text = render_report(summary)
    assert "paired with" not in text
    assert "<svg" in text
    stream = io.StringIO()
    print_summary(summary, tmp_path, Console(file=stream, width=100))
    assert "on corrupted ones" in stream.getvalue()


def test_words():
    assert numbers.points(0.0007) == "+0.07"
    assert numbers.percent(None) == "-"
    assert numbers.size(0) == "-"
    assert numbers.size(297_000) == "297 kB"
    assert numbers.milliseconds(0.2047) == "0.205"
    assert words.realized({"int8": 1.0}) == "int8 100 %"
    assert numbers.probability(0.0001) == "< 0.001"


def test_the_report_says_whether_an_engine_computes_what_its_file_says():
    page = render_report(make_summary())
    assert "does not compute what its file says: 2.3 dB of signal to noise at the scores, 5 of 32 labels" in page
    assert "it departs at attend&lt;." in page
    good = meaning("t", guard(faithful=True, snr_db=None, labels_changed=0, nodes=[], kept_float={"a": "why"}))
    assert good.startswith("t computes what its file says: the same scores, 0 of 32 labels")
    assert good.endswith("in float for it: a.")
    assert meaning("t", guard(not_looked="no ONNX Runtime")).endswith("no ONNX Runtime")


@pytest.mark.parametrize(
    ("ratio", "low", "high", "says"),
    [
        (1.864, 1.80, 1.93, "1.86 times as fast as fp32 (1.80 to 1.93)"),
        (0.5, 0.4, 0.8, "2.00 times slower than fp32 (1.25 to 2.50)"),
        (0.97, 0.885, 1.08, "as fast as fp32, within 13 %"),
        (1.2, 0.99, 1.455, "as fast as fp32, within 46 %"),
        (1.1, 0.412, 2.68, "somewhere between 0.41 and 2.7 times as fast as fp32"),
    ],
)
def test_a_pace_is_told_with_its_interval(ratio, low, high, says):
    assert words.pace({"ratio": ratio, "ci95": [low, high]}) == says


def test_corruption_errors_are_told_with_their_intervals():
    metrics = {
        **make_summary()["targets"][1]["metrics"],
        "mce_ci95": [75.12, 77.69],
        "mean_corruption_error_ci95": None,
    }
    assert corruption_error(metrics) == "mCE 76.4 [75.1, 77.7], mCE against fp32 101.5, mean error 60.52 %"

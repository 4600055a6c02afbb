"""The report: what it says, and that nothing foreign becomes markup."""

import html.parser
import io
import re

import pytest
from rich.console import Console

from seatrial.harness.report import words
from seatrial.harness.report.console import RichProgress, print_summary
from seatrial.harness.report.guard import meaning
from seatrial.harness.report.html import render_report

EVIL = '<script>alert("x")</script>&{{7*7}}[red]'


def condition(top1, delta=None):
    against = delta is not None and {
        "delta": delta,
        "ci95": [delta - 0.01, delta + 0.01],
        "mcnemar_p": 0.0004,
        "agreement": 0.98,
        "negative_flips": 0.01,
        "positive_flips": 0.0,
    }
    return {"images": 500, "top1": top1, "top1_ci95": [0.8, 0.95], "top5": 1.0, "vs_reference": against or None}


def guard(**changes):
    found = {"images": 32, "source": "calibration", "snr_db": 2.34, "labels_changed": 5, "faithful": False}
    return {**found, "nodes": ["attend<"], "kept_float": {}, "not_looked": None, **changes}


def make_summary(name="model", corruptions=("pixelate", "gaussian_noise"), clean=True):
    def target(engine, delta, p50):
        conditions = {"clean": condition(0.9, delta)} if clean else {}
        for corruption in corruptions:
            for severity in (1, 3):
                conditions[f"corruption/{corruption}@{severity}"] = condition(0.9 - severity / 10, delta)
        return {
            "id": f"{engine}/x@cpu",
            "realized": {"int8": 0.75, "fp32": 0.25},
            "engine_bytes": 123456,
            "guard": None if engine == "a" else guard(),
            "build_s": 0.5,
            "simulated": False,
            "rebuilds": None,
            "conditions": conditions,
            "metrics": {
                "corruption_top1": 0.7,
                "corruption_delta": delta,
                "share_as_requested": 0.75,
                "families": {"noise": {"top1": 0.5, "delta": delta}},
                "mean_corruption_error": 60.52,
                "mce": 76.38,
                "relative_mce": None,
                "mce_vs_reference": 101.5,
            },
            "latency": {
                "single_stream": {"p50_ms": p50, "p90_ms": p50, "p99_ms": p50 * 2, "mean_ms": p50, "samples": 9}
            },
        }

    return {
        "schema": 1,
        "model": {"name": name, "digest": "d", "contract": {"size": [8, 8], "color": name}, "classes": 4},
        "data": {"name": name, "digest": "e", "images": 500, "calibration": {"name": name, "images": 3, "digest": "f"}},
        "notes": [name],
        "seed": 0,
        "reference": "ref/x@cpu",
        "targets": [target("ref", None, 2.0), target("new", -0.02, 1.0)],
        "failed": [{"target": "bad/x@cpu", "stage": "build", "outcome": "crashed", "says": name}],
        "gate": {
            "verdict": "REGRESSION",
            "enforced": False,
            "checks": [{"name": "realized", "target": "new/x@cpu", "passed": False, "says": name}],
        },
    }


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links.extend(value for name, value in attributes if name in ("src", "href", "xlink:href"))


def parsed(text):
    tags = Tags()
    tags.feed(text)
    return tags


def test_the_report_shows_the_figures():
    text = render_report(make_summary())
    for figure in (
        "90.00 %",
        "-2.00 [-3.00, -1.00]",
        "int8 75.0 %, fp32 25.0 %",
        "REGRESSION",
        "2.00 times faster",
        "mCE 76.4",
    ):
        assert figure in text
    assert {"table", "svg", "figure"} <= set(parsed(text).seen)


def test_no_text_from_outside_becomes_markup():
    text = render_report(make_summary(name=EVIL, corruptions=("<img src=x>",)))
    tags = parsed(text)
    assert "script" not in tags.seen
    assert "img" not in tags.seen
    assert "{{7*7}}" in text


def test_the_report_needs_no_network_and_runs_nothing():
    text = render_report(make_summary())
    tags = parsed(text)
    assert "script" not in tags.seen
    assert "link" not in tags.seen
    assert all(link.startswith("#") for link in tags.links)
    assert not re.search(r"url\((?!#)|@import", text)
    assert "default-src 'none'" in text


def test_the_same_figures_give_the_same_bytes():
    assert render_report(make_summary()) == render_report(make_summary())


def test_a_run_without_corruptions_has_no_figure():
    assert "<svg" not in render_report(make_summary(corruptions=()))


@pytest.mark.parametrize("corruptions", [("pixelate",), ()])
def test_the_terminal_shows_the_answer(tmp_path, corruptions):
    stream = io.StringIO()
    print_summary(make_summary(name=EVIL, corruptions=corruptions), tmp_path, Console(file=stream, width=100))
    text = stream.getvalue()
    for figure in ("ref/x@cpu", "90.00 %", "-2.00", "REGRESSION", "failed: new/x@cpu, realized", EVIL[:8]):
        assert figure in text


def test_progress_bars_end_where_they_should(capsys):
    with RichProgress().stage("Counting [things]", 3) as update:
        update(3, "note [x]")
    assert "3/3" in capsys.readouterr().err


def test_released_corruptions_need_no_clean_images(tmp_path):
    summary = make_summary(clean=False)
    text = render_report(summary)
    assert "paired with" not in text
    assert "<svg" in text
    stream = io.StringIO()
    print_summary(summary, tmp_path, Console(file=stream, width=100))
    assert "on corrupted ones" in stream.getvalue()


def test_words():
    assert words.points(0.0007) == "+0.07"
    assert words.percent(None) == "-"
    assert words.size(0) == "-"
    assert words.size(297_000) == "297 kB"
    assert words.milliseconds(0.2047) == "0.205"
    assert words.realized({"int8": 1.0}) == "int8 100 %"
    assert words.probability(0.0001) == "< 0.001"


def test_the_report_says_whether_an_engine_computes_what_its_file_says():
    page = render_report(make_summary())
    assert "does not compute what its file says: 2.3 dB of signal to noise at the scores, 5 of 32 labels" in page
    assert "it departs at attend&lt;." in page
    good = meaning("t", guard(faithful=True, snr_db=None, labels_changed=0, nodes=[], kept_float={"a": "why"}))
    assert good.startswith("t computes what its file says: the same scores, 0 of 32 labels")
    assert good.endswith("in float for it: a.")
    assert meaning("t", guard(not_looked="no ONNX Runtime")).endswith("no ONNX Runtime")

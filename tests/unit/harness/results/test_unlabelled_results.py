"""What is said of images without labels: figures, the check, the note; and what no page may say of them."""

import html as pages
import io

import numpy as np
import pytest
from summaries import EVIL, likeness, make_unlabelled, parsed

from seatrial.errors import UsageError
from seatrial.harness.metrics.accuracy import wilson_interval
from seatrial.harness.records.predictions import rows_of
from seatrial.harness.report import unlabelled as shown
from seatrial.harness.report.files.bencher import benchmarks
from seatrial.harness.report.files.markdown import markdown
from seatrial.harness.report.files.metrics import metrics
from seatrial.harness.results.checks.unlabelled import agreement
from seatrial.harness.results.unlabelled import likeness_values, notes_without_labels
from seatrial.harness.spec.gate import Limit
from seatrial.harness.typeset.terminal import Terminal


def answered(classes, of=4):
    """Rows of these classes, labels not known."""
    return rows_of(np.eye(of, dtype=np.float32)[classes] * 3, np.full(len(classes), -1))


def test_no_answer_is_wrong_for_want_of_a_label():
    rows = answered([0, 1])
    assert not rows.labelled
    for name in ("correct", "correct5"):
        with pytest.raises(UsageError, match="have no labels"):
            getattr(rows, name)


def test_flips_have_names_and_the_most_frequent_are_kept():
    rng = np.random.default_rng(0)
    found = likeness_values(answered(rng.integers(0, 30, 500), 30), answered(rng.integers(0, 30, 500), 30), ["a"] * 29)
    assert len(found["flips"]) == 20 < found["kinds_of_flips"]
    assert {one["target_name"] for one in found["flips"]} <= {"a", "29"}
    assert likeness_values(answered([0, 1]), answered([0, 2]), None)["flips"][0]["reference_name"] == "2"


def checked(agreeing, images, limit=98.0):
    found = {**likeness(agreement=agreeing / images), "images": images}
    return agreement("t", "clean", {**found, "agreement_ci95": list(wilson_interval(agreeing, images))}, Limit(limit))


@pytest.mark.parametrize(
    ("agreeing", "images", "answer"),
    [
        (1000, 1000, "pass"),
        (190, 190, "pass"),
        (187, 187, "inconclusive"),
        (900, 1000, "fail"),
        (98, 100, "inconclusive"),
    ],
)
def test_agreement_is_judged_by_its_interval(agreeing, images, answer):
    found = checked(agreeing, images)
    assert (found.answer, found.name, found.images, found.limit) == (answer, "agreement", images, 0.98)
    assert found.says.startswith(
        f"clean: {agreeing / images * 100:.2f} % of {images:,} images get the reference's class"
    )


def test_too_few_images_are_told_how_many_would_decide():
    found = checked(187, 187)
    assert found.needed == 189
    assert checked(189, 189).answer == "pass"
    assert "187 images; about 190 would decide" in found.says
    assert checked(98, 100).needed is None  # it lies on the limit


def test_a_reference_with_one_answer_for_everything_is_noted():
    assert "all 10 images one class, cat" in notes_without_labels(answered([0] * 10), ["cat", "dog"])[0]
    assert notes_without_labels(answered([0] * 9), None) == []
    assert notes_without_labels(answered([0] * 9 + [1]), None) == []
    assert notes_without_labels(rows_of(np.eye(4, dtype=np.float32)[[0] * 10], np.zeros(10, np.int64)), None) == []


def printed(summary):
    console = Terminal(file=io.StringIO(), width=200, color_system=None)
    shown.print_unlabelled(summary, console)
    return console.file.getvalue()


def test_the_terminal_tells_agreement_flips_and_doubt():
    text = printed(make_unlabelled("cat"))
    assert "answers as ref/x@cpu's to images without labels (clean)" in text
    assert "99.00 %" in text
    assert "flips 3 cat -> cat and 2 other kinds" in text
    assert "with probability 0.90" in text
    assert "corruption/pixelate" in text


def test_class_names_are_text_in_the_terminal():
    assert EVIL in printed(make_unlabelled(EVIL))


def test_the_page_has_the_figures_and_no_accuracy():
    from seatrial.harness.report.html import render_report

    page = render_report(make_unlabelled(EVIL))
    assert parsed(page).seen.count("script") == 1  # the page's own
    assert EVIL not in page
    text = pages.unescape(page)
    assert "Answers as ref/x@cpu's" in text
    assert "99.00 %" in text
    for absent in ("negative flip", "Accuracy by severity", "Mean top-1 per family", "Clean images, paired"):
        assert absent not in text


def test_files_for_other_programs_have_agreement_and_no_accuracy():
    summary = make_unlabelled(EVIL)
    figures = metrics(summary)
    assert figures["new/x_cpu/clean/agreement"] == 0.99
    assert figures["new/x_cpu/clean/agreement_ci95/low"] == pytest.approx(0.98)
    assert not [name for name in figures if "top1" in name and "metrics" not in name]
    assert benchmarks(summary)["new/x@cpu clean"] == {
        "agreement": {"value": 99.0, "lower_value": pytest.approx(98.0), "upper_value": pytest.approx(99.5)}
    }
    page = markdown(make_unlabelled("cat"))
    assert "99.00 % \\[98.00, 99.50]" in page
    assert "top-1" not in page

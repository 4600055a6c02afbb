"""The input pipeline in the report: what tables and figure say, and that nothing foreign becomes markup."""

import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from rich.console import Console
from summaries import EVIL, make_summary, parsed
from test_pipeline_metrics import world

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.conditions.kinds.pipeline.block import describe_pipeline
from seatrial.harness.conditions.kinds.pipeline.console import print_pipeline
from seatrial.harness.conditions.kinds.pipeline.figure import stacked_figure, stacked_loss
from seatrial.harness.report.console import print_summary
from seatrial.harness.report.html import render_report

REFERENCE, TARGET = "ref/fp32@cpu", "new/int8@cpu"


@pytest.fixture(scope="module")
def block():
    return describe_pipeline(world(), REFERENCE)


def printed(block, width=110):
    stream = io.StringIO()
    print_pipeline(block, Console(file=stream, width=width))
    return stream.getvalue()


def numbers_of(svg, name):
    """The heights at which the line of the target is drawn, in SVG units (downwards), by the legend's colour order."""
    index = [REFERENCE, TARGET].index(name)
    root = ElementTree.fromstring(svg)
    lines = [one for one in root.iter() if re.fullmatch(r"line2d_\d+", one.get("id", ""))]
    paths = [path.get("d") for line in lines for path in line if path.tag.endswith("path")]
    curves = [path for path in paths if path and path.count("L") == 3]
    return [float(y) for y in re.findall(r"[ML] \S+ (\S+)", curves[index])]


def test_the_terminal_shows_mean_and_maximum_the_worst_option_and_the_stack(block):
    text = printed(block)
    for figure in (
        "decode",
        "0.74 (0.98)",
        "ffmpeg [",
        "resize",
        "1.50",
        "opencv-nearest [",
        "beyond doubt",
        "75.65 ±",
        "+ color nv12",
    ):
        assert figure in text
    row = next(line for line in text.splitlines() if line.strip().startswith("+ color nv12"))
    assert re.findall(r"\d\.\d\d", row) == ["2.32", "3.41"]
    assert re.search(r"\+1\.09 \[\+\d\.\d\d, \+\d\.\d\d\]", text)


def test_the_worst_option_is_said_to_be_chance_or_not():
    factor = {"options": ["a", "b"], "worst": "pipeline/decode=ffmpeg", "max_loss": 0.01, "worst_ci95": [0.002, 0.02]}
    assert words.worst(factor) == "ffmpeg [0.20, 2.00]"
    assert words.doubt(factor) == "beyond doubt"
    assert words.doubt({**factor, "worst_ci95": [-0.001, 0.02]}) == "may be chance"
    assert words.doubt({**factor, "max_loss": 0.0}) == words.doubt(None) == words.worst(None) == ""


def test_the_terminal_needs_no_stack(block):
    assert "on top of each other" not in printed({**block, "stack": []})


def test_the_page_shows_the_same(block):
    text = render_report({**make_summary(), "pipeline": block})
    for figure in ("Input pipeline", "0.74 (0.98)", "ffmpeg [", "pipeline/combined@3", "3.41 [", "+1.09 ["):
        assert figure in text
    assert "Points of top-1 lost from step to step" in text
    assert '<svg role="img"' not in render_report({**make_summary(corruptions=()), "pipeline": {**block, "stack": []}})


def test_a_summary_without_the_block_has_no_section(tmp_path):
    assert "Input pipeline" not in render_report(make_summary())
    assert "Input pipeline" not in render_report({**make_summary(), "pipeline": None})


def test_print_summary_takes_the_block(block, tmp_path):
    stream = io.StringIO()
    print_summary({**make_summary(), "pipeline": block}, tmp_path, Console(file=stream, width=110))
    assert "0.74 (0.98)" in stream.getvalue()


def test_a_condition_that_a_target_could_not_answer_is_a_dash():
    answers = world()
    for name in ("pipeline/color=nv12", "pipeline/combined@2"):
        del answers[TARGET][name]
    block = describe_pipeline(answers, REFERENCE)
    text = printed(block)
    row = next(line for line in text.splitlines() if line.strip().startswith("color"))
    assert row.split()[:2] == ["color", "0.09;"]
    assert row.split()[-1] == "-"
    assert len(re.findall(r"<td>-</td>", render_report({**make_summary(), "pipeline": block}))) >= 2
    assert "<svg" in stacked_loss(block)


def test_the_figure_shows_the_losses_of_each_target_upwards(block):
    svg = stacked_loss(block)
    for text in ("clean", "decode", "ffmpeg", "opencv-nearest", "nv12", "points of top-1 lost"):
        assert text in svg
    for text in (REFERENCE, f"{TARGET} loses 3.41 points"):
        assert text in stacked_figure(block)
    for name, losses in ((REFERENCE, [0, 0.98, 1.69, 2.32]), (TARGET, [0, 1.2, 2.4, 3.41])):
        heights = numbers_of(svg, name)
        scale = (heights[0] - heights[3]) / losses[3]
        assert [(heights[0] - height) / scale for height in heights] == pytest.approx(losses, abs=1e-3)
        assert scale > 0


def test_the_figure_is_the_same_twice_and_none_without_a_stack(block):
    assert stacked_loss(block) == stacked_loss(block)
    assert stacked_loss({**block, "stack": []}) is None


def test_no_name_of_a_target_becomes_markup(block):
    evil = {**block, "targets": {f"{EVIL}{name}": found for name, found in block["targets"].items()}}
    text = render_report({**make_summary(corruptions=()), "pipeline": evil})
    tags = parsed(text)
    assert tags.seen.count("script") == 1, "the page's own"
    assert all(link.startswith("#") for link in tags.links)
    assert EVIL[:8] in printed(evil, width=300)


def test_words():
    assert words.lost(0.0102) == "1.02"
    assert words.lost(-0.001, [-0.004, 0.002]) == "-0.10 [-0.40, 0.20]"
    assert words.lost(-0.00001) == "0.00"
    assert words.added(None) == "-"
    assert words.added({"extra": 0.0103, "ci95": [0.0, 0.02]}) == "+1.03 [+0.00, +2.00]"
    assert words.mean_and_max(None) == "-"
    assert words.step(["pipeline/decode=ffmpeg"]) == "decode ffmpeg"
    assert words.step(["pipeline/decode=ffmpeg", "pipeline/color=bgr"]) == "+ color bgr"
    assert words.settings({"settings": None}) == "-"

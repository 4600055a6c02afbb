"""Attacks in the report: what tables, sentences and figure say, and that nothing foreign becomes markup."""

import copy
import html
import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from rich.console import Console
from summaries import EVIL, make_summary, parsed
from test_attack_metrics import FILES, INT8, REFERENCE, described, random_world
from test_crossing import crossing_world
from test_masking import HONEST, make

from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.conditions.kinds.attack.console import print_attacks
from seatrial.harness.conditions.kinds.attack.figure import accuracy_by_strength
from seatrial.harness.report.console import print_summary
from seatrial.harness.report.html import render_report

TARGETS = (REFERENCE, INT8)


@pytest.fixture(scope="module")
def honest():
    return make()


@pytest.fixture(scope="module")
def masked():
    """Square beats the gradients, and scaled logits were not tried."""
    return make(right={**HONEST, "attack/square-linf@8": 80}, leave_out=["attack/pgd-scaled-linf@2+qdq"])


@pytest.fixture(scope="module")
def crossed():
    return described(*crossing_world())


@pytest.fixture(scope="module")
def mixed():
    return described(*random_world())


def printed(block, width=110):
    stream = io.StringIO()
    print_attacks(block, REFERENCE, Console(file=stream, width=width))
    return stream.getvalue()


def joined(block, width=110):
    """The same, lines that the terminal's width broke put together."""
    return " ".join(printed(block, width).split())


def page(block):
    return render_report({**make_summary(corruptions=()), "attacks": block, "reference": "ref/x@cpu"})


def row_of(text, start):
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_the_terminal_shows_robust_accuracy_with_the_difference_and_whose_images(honest):
    text = printed(honest)
    assert re.split(r"\s{2,}", row_of(text, "pgd-linf@8 ").strip()) == ["pgd-linf@8", "10.00*", "15.00 (+5.00)"]
    assert re.split(r"\s{2,}", row_of(text, "pgd-linf@8+qdq").strip()) == [
        "pgd-linf@8+qdq",
        "15.00",
        "10.00 (-5.00)*",
    ]
    assert re.split(r"\s{2,}", row_of(text, "no attack").strip()) == ["no attack", "90.00", "90.00"]
    assert "square-linf@8" in text
    assert "attack/" not in text


def test_the_verdict_heads_every_table(honest, masked):
    for block, verdicts in ((honest, ["pass", "pass"]), (masked, ["pass", "FAIL"])):
        heads = [line.split("masking: ")[1:] for line in printed(block).splitlines() if line.count("masking: ") == 2]
        assert len(heads) >= 2
        assert all([one.strip() for one in head] == verdicts for head in heads)


def test_the_difference_between_ar_and_robust_accuracy_is_told(honest):
    assert words.AR_AND_ROBUST_ACCURACY in joined(honest)
    assert words.AR_AND_ROBUST_ACCURACY in page(honest)


def test_failed_checks_and_missing_ones_are_told(masked):
    text = joined(masked)
    assert f'{INT8}: gradients may be masked: the check "gradients beat queries" failed. At 8/255 the worst' in text
    assert "leaves 10.00 % right, Square 8.00 % (one-sided p < 0.001)" in text
    assert "not run: the scale of logits does not matter. Add attack/pgd-scaled-linf@2+qdq." in text
    html = page(masked)
    assert "Square 8.00 %" in html
    assert "attack/pgd-scaled-linf@2+qdq" in html
    assert html.count("masking: FAIL") > 10  # beside each figure


def test_what_failed_comes_before_the_figures_and_what_is_open_behind_them_in_a_line(masked):
    block = copy.deepcopy(masked)
    checks = block["targets"][INT8]["masking"]["checks"]
    (failed,) = (check for check in checks if check["status"] == "fail")
    for needed, check in zip((425, 1073), (check for check in checks if check["status"] == "pass"), strict=False):
        check.update(status="inconclusive", says="Too few images to tell.", needed=needed)
    (few,) = (line for line in words.open_lines(block) if "too few" in line)
    assert few.startswith(f'{INT8}: too few images for the masking checks "')
    assert few.endswith("; 1,073 would do if they are like these.")
    _, section = page(block).split("Attacks</h2>")
    failing, table, open_ = (section.index(one) for one in (failed["says"][:20], "<table", "too few images for the"))
    assert failing < table < open_


def test_nothing_is_said_of_masking_where_all_is_well(honest):
    assert (words.masked_lines(honest), words.open_lines(honest)) == ([], [])
    assert "Not run" not in page(honest)


def test_images_that_stay_floats_are_labelled(mixed, honest):
    text = printed(mixed)
    assert "fgsm-linf@0.5 float" in text
    assert "fgsm-linf@2 float" not in text
    assert "pgd-l2@0.5+qdq float" not in text
    assert words.FLOAT in joined(mixed)
    assert words.FLOAT not in joined(honest)
    assert "attack/fgsm-linf@0.5 float" in page(mixed)


def test_worst_cases_show_all_three_views(honest):
    row = row_of(printed(honest), "linf 8/255")
    assert re.split(r"\s{2,}", row.strip()) == ["linf 8/255", "11.11 / - / 11.11", "11.11 / 16.67 / 11.11"]
    assert row_of(printed(honest), "all attacks").split()[-1] == "0.56"
    assert "11.11 / 16.67 / 11.11" in page(honest)


def test_evasion_is_shown_beside_pgd(mixed):
    assert words.evasions(mixed) == ["attack/diva-linf@8+qdq", "attack/pgd-linf@8+qdq"]
    block = mixed["targets"][INT8]["conditions"]["attack/diva-linf@8+qdq"]["evasion"]
    figures = f"{block['evasive']['rate'] * 100:.2f} / {block['noticed']['rate'] * 100:.2f}"
    rows = [line for line in printed(mixed).splitlines() if line.strip().startswith("diva-linf@8+qdq")]
    assert any(figures in row for row in rows)
    assert "wrong here" not in printed(make())


def test_queries_are_shown(mixed):
    found = mixed["targets"][INT8]["conditions"]["blackbox/square-linf@8"]["queries"]
    attacked, fell = found["attacked"], found["successful"]
    first = f"{attacked['median']:g} / {attacked['mean']:.1f} / {attacked['max']}"
    second = f"{fell['images']} fell: {fell['median']:g} / {fell['mean']:.1f} / {fell['max']}"
    for text in (printed(mixed, 160), page(mixed)):
        assert first in text
        assert second in text
    assert words.queries({"queries": {"attacked": attacked, "successful": None}})[1] == "none fell"
    assert words.queries({"queries": {"attacked": None, "successful": None}}) == words.queries(None) == ["-"]


def test_a_crossing_is_told_with_its_interval_and_both_sides(crossed):
    text = joined(crossed)
    found = re.search(rf"{INT8} passes {REFERENCE} at eps\* = (\S+)/255 \[(\S+), (\S+)\] under pgd-linf on", text)
    low, high = map(float, found.groups()[1:])
    assert found[1] == "3.5"
    assert low < 3.5 < high
    assert "less accurate below, more above, both beyond chance (masking: incomplete)" in text
    assert "both beyond chance (masking: incomplete)" in page(crossed)


def test_no_crossing_is_told_in_words(crossed):
    line = next(line for line in words.crossing_lines(crossed, REFERENCE) if line.startswith("ov/fp32@cpu and"))
    assert re.search(r"equal at every eps under \d attack", line)
    assert "no crossing: equal at every eps" in page(crossed)
    assert words.standing([0, -0.1, 0]) == "never above it"
    assert words.standing([0, 0.1, 0.2]) == "never below it"
    assert words.standing([0, 0]) == "equal at every eps"


def test_a_crossing_that_may_be_chance_is_told_apart():
    few = {"eps": 3.1, "ci95": [2.4, 4.0], "before_significant": False, "after_significant": True}
    none = {"eps": None, "ci95": None, "before_significant": False, "after_significant": False}
    row = {"attack": "pgd-l2", "norm": "l2", "made": "transfer", "surrogate": "fp32", "differences": [-0.1, 0.1]}
    masking = {"verdict": "pass", "checks": []}
    block = {"targets": {"t": {"masking": masking, "crossings": [{**row, "upward": few, "downward": none}]}}}
    (line,) = words.crossing_lines(block, "ref")
    assert line == "t and ref from strength to strength: 1 crossing not beyond chance on both sides (masking: pass)."
    assert words.place(row, few) == "eps* = 3.1 [2.4, 4]"
    assert words.sides(few) == "significant only above"
    down = {**few, "before_significant": True}
    block["targets"]["t"]["crossings"] = [{**row, "upward": none, "downward": down}]
    (line,) = words.crossing_lines(block, "ref")
    assert line == (
        "t falls below ref at eps* = 3.1 [2.4, 4] under pgd-l2 on fp32: more accurate below, less above, both beyond "
        "chance (masking: pass)."
    )


def test_the_page_shows_every_figure_of_every_attack(mixed):
    text = page(mixed)
    for target in FILES:
        for name, values in mixed["targets"][target]["conditions"].items():
            assert name in text
            for figure in (
                words.top1(values),
                words.rate(values["ar"]),
                words.rate(values["transfer"]),
                words.points(values["vs_reference"]),
                words.points(values["vs_reference"] and values["vs_reference"]["ar"]),
                words.evasion(values),
            ):
                assert figure in text
    assert text.count('<svg role="img"') == len(panels(accuracy_by_strength(mixed)))


def test_print_summary_takes_the_block(honest, tmp_path):
    stream = io.StringIO()
    print_summary({**make_summary(), "attacks": honest}, tmp_path, Console(file=stream, width=110))
    assert "masking: pass" in stream.getvalue()


def test_a_summary_without_the_block_has_no_section(tmp_path):
    for summary in (make_summary(), {**make_summary(), "attacks": None}):
        assert "Robust, or masked?" not in render_report(summary)
        stream = io.StringIO()
        print_summary(summary, tmp_path, Console(file=stream, width=110))
        assert "masking" not in stream.getvalue()


def test_a_condition_that_a_target_could_not_answer_is_a_dash():
    answers, rows = random_world()
    for name in ("attack/pgd-linf@2", "attack/pgd-l2@0.5+qdq"):
        del answers[INT8][name]
    block = described(answers, rows)
    assert re.split(r"\s{2,}", row_of(printed(block), "pgd-linf@2 ").strip())[2] == "-"
    assert re.split(r"\s{2,}", row_of(printed(block), "l2 0.5").strip())[2] == "-"
    assert "<svg" in page(block)


def panels(figure):
    """Title -> SVG."""
    found = re.findall(r'<svg role="img".*?</svg>', figure, re.DOTALL)
    return {html.unescape(re.search("<title[^>]*>Robust accuracy: (.*?)</title>", svg)[1]): svg for svg in found}


def curves_of(figure, title):
    """The heights of the lines of one panel, in SVG units (downwards), in the order of the targets; and its paths."""
    root = ElementTree.fromstring(panels(figure)[title])
    paths = [one.get("d") for one in root.iter("path") if one.get("clip-path")]
    return [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in paths if path.count("L") == 2], paths


def test_the_figure_shows_each_targets_accuracy_downwards(crossed):
    svg = accuracy_by_strength(crossed)
    for text in (*TARGETS, "masking: incomplete"):
        assert text in svg
    assert {"PGD L∞, on fp32", "PGD L∞, on resnet56", "Square L∞, by queries"} <= set(panels(svg))
    assert "scaled" not in svg
    for title, expected in (
        ("PGD L∞, on its own file", ([90, 40, 10], [89, 38, 16], [90, 40, 10])),
        ("PGD L∞, on fp32", ([90, 40, 10], [89, 50, 20], [90, 40, 10])),
        ("Square L∞, by queries", ([90, 80, 60], [89, 78, 64], [90, 80, 60])),
    ):
        curves, _ = curves_of(svg, title)
        assert len(curves) == 3
        scale = (curves[0][2] - curves[0][0]) / (expected[0][0] - expected[0][2])
        assert scale > 0
        for curve, one in zip(curves, expected, strict=True):
            assert [90 - (height - curves[0][0]) / scale for height in curve] == pytest.approx(one, abs=0.01)


def test_a_certain_crossing_is_marked_where_it_lies(crossed):
    """3.5 is a quarter of the way from 2 to 8, which are neighbours in the figure."""
    _, paths = curves_of(accuracy_by_strength(crossed), "PGD L∞, on its own file")
    curve = next(path for path in paths if path.count("L") == 2)
    places = [float(x) for x in re.findall(r"[ML] (\S+) \S+", curve)]
    upright = [re.findall(r"[ML] (\S+) \S+", path) for path in paths if path.count("L") == 1]
    marks = {float(one[0]) for one in upright if one[0] == one[1]}
    expected = places[1] + (places[2] - places[1]) / 4
    assert any(mark == pytest.approx(expected, abs=0.02) for mark in marks)


def test_the_figure_is_the_same_twice_and_none_without_two_strengths(crossed, mixed):
    assert accuracy_by_strength(crossed) == accuracy_by_strength(crossed)
    answers, rows = random_world(images=40, ids=("attack/pgd-linf@2", "attack/fgsm-linf@8"))
    assert accuracy_by_strength(described(answers, rows)) is None
    assert '<svg role="img"' not in page(described(answers, rows))


def test_no_name_becomes_markup(crossed):
    evil = {
        "conditions": {
            name: {**one, "surrogate": one["surrogate"] and f"{EVIL}{one['surrogate']}"}
            for name, one in crossed["conditions"].items()
        },
        "targets": {f"{EVIL}{name}": found for name, found in crossed["targets"].items()},
    }
    evil["conditions"] = {f"{name}{EVIL}": one for name, one in evil["conditions"].items()}
    for found in evil["targets"].values():
        found["conditions"] = {f"{name}{EVIL}": one for name, one in found["conditions"].items()}
    tags = parsed(page(evil))
    assert tags.seen.count("script") == 1, "the page's own"
    assert "svg" in tags.seen
    assert all(link.startswith("#") for link in tags.links)
    text = printed(evil, width=900)
    assert f"pgd-linf@8{EVIL}" in text
    assert f"{EVIL}{INT8}" in text


def test_words():
    assert words.strength("linf", 2.0) == "2/255"
    assert words.strength("linf", 0.5) == "0.5/255"
    assert words.strength("l1", 1600.0) == "1600"
    assert words.strength("l2", 0.5) == "0.5"
    assert words.place({"norm": "l1"}, {"eps": 1234.5, "ci95": [1000.0, 1600.4]}) == "eps* = 1230 [1000, 1600]"
    assert words.robust(None) == words.rate(None) == words.points(None) == words.evasion(None) == "-"
    assert words.points({"delta": 0.013, "ci95": [-0.002, 0.028]}) == "+1.30 [-0.20, +2.80]"
    assert words.points({"delta": -0.000001, "ci95": [0.0, 0.0]}) == "+0.00 [+0.00, +0.00]"
    assert words.rate({"rate": 0.452, "ci95": [0.431, 0.473]}) == "45.20 [43.10, 47.30]"
    assert words.made({"attack": "square-l2", "made": "queries", "surrogate": None}) == "square-l2 by queries"

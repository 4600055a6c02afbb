"""report.md as it is rendered: its tables are tables, and nothing from outside is more than text."""

import dataclasses
import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from files_hostile import EVIL, evil_summary, with_checks
from markdown_it import MarkdownIt
from summaries import make_summary, parsed

from seatrial.harness.report.files.markdown import MOST_BYTES, markdown
from seatrial.harness.results.check import Check
from seatrial.harness.typeset.markdown import block, code, text

TABLE = ("table", "thead", "tbody", "tr", "th", "td")
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What GitHub and GitLab look for in what is rendered.
MENTION = re.compile(r"(?<![A-Za-z0-9_`])@[A-Za-z0-9]|(?<!&)#\d|\bGH-\d|https?://|www\.|![0-9]")


def by_github(page):
    """GitHub's own renderer with its extensions, addresses become links; before GitHub takes elements out."""
    return cmarkgfm.github_flavored_markdown_to_html(page, options=Options.CMARK_OPT_UNSAFE)


def by_another(page):
    return MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(page)


@pytest.fixture(params=[by_github, by_another])
def rendered(request):
    return request.param


def outside_code(html):
    return re.sub(r"<code[^>]*>.*?</code>", "", html, flags=re.DOTALL)


def test_the_verdict_stands_first_with_its_reasons_and_what_to_do():
    summary = with_checks()
    summary["gate"]["reasons"] = ["new/x@cpu: clean: -2.00 points"]
    summary["findings"] = [
        {
            "cause": "layer",
            "target": "new/x@cpu",
            "likelihood": 0.9,
            "evidence": {},
            "says": "conv1 loses 12 dB",
            "remedy": "Leave it in float.",
            "command": "bench.py --keep-float 'conv1'",
        }
    ]
    lines = [line for line in markdown(summary).splitlines() if line]
    assert lines[0] == "# seatrial: REGRESSION"
    assert lines[2] == "- new/x@cpu: clean: -2.00 points"
    assert lines[3:8] == [
        "## What to do",
        "`new/x@cpu`: conv1 loses 12 dB. Leave it in float.",
        *("```sh", "bench.py --keep-float 'conv1'", "```"),
    ]


def test_tables_render_as_tables_with_the_figures(rendered):
    html = rendered(markdown(make_summary(name="signs")))
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    assert len(tables) == 2
    for figure in ("new/x@cpu", "90.00 %", "-2.00 [-3.00, -1.00]", "int8 75.0 %, fp32 25.0 %"):
        assert figure in tables[0]
    assert "corruption/pixelate@1" in tables[1]
    for table in tables:
        counts = {len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)}
        assert len(counts) == 1


def test_the_lowest_conditions_and_classes_stand_first_and_the_rest_is_counted():
    summary = make_summary(name="signs", corruptions=[f"c{number}" for number in range(8)])
    new = summary["targets"][1]
    for number, one in enumerate(new["conditions"].values()):
        one["vs_reference"]["delta"] = -number / 100
    one = {"images": 9, "top1": 0.5, "ci95": [-1, 0]}
    new["classes"] = {f"class{number}": {**one, "delta": -number / 10} for number in range(12)}
    page = markdown(summary)
    losses = page[page.index("## Where they lose most: conditions") : page.index("## Where they lose most: classes")]
    found = re.findall(r"(-\d+\.\d\d) \\\[", losses)
    assert found == sorted(found, key=float)[:10]
    assert "and 6 more" in losses
    assert page.index("class11") < page.index("class10") < page.index("class2`")
    assert "class1`" not in page


def test_nothing_from_outside_is_markup(rendered):
    html = rendered(markdown(evil_summary()))
    tags = parsed(html)
    assert set(tags.seen) <= {*("h1", "h2", "p", "ul", "li", "code", "pre"), *TABLE}
    assert tags.links == []
    assert re.findall(r"<h1>.*?</h1>", html) == ["<h1>seatrial: REGRESSION</h1>"]
    assert "heading" not in "".join(re.findall(r"<h\d>.*?</h\d>", html))


def test_nobody_is_mentioned_and_nothing_is_linked(rendered):
    assert MENTION.search(outside_code(rendered(markdown(evil_summary())))) is None
    found = rendered(text("see https://a.b, @me and #4"))
    assert MENTION.search(found) is None
    assert found.replace("\u2060", "") == "<p>see https://a.b, @me and #4</p>\n"


def test_no_control_character_is_left():
    assert UNSEEN.search(markdown(evil_summary())) is None


def test_targets_keep_their_names_to_copy():
    words = "onnxruntime/int8@cpu: clean: -0.10 points; tensorrt-rtx/int8@cuda:0: 1000000 images are too few, 9 % #"
    assert "\u2060" not in text(words)


@pytest.mark.parametrize("words", ["1. x", "1) x", "- x", "+ x", "# x", "=== x", "> x", "---", "a | b", ":---", EVIL])
def test_words_stay_words_wherever_they_begin(rendered, words):
    html = rendered(f"- {text(words)}\n\n{text(words)}\n\n| {text(words)} | b |\n|---|---|\n| {text(words)} | c |")
    assert set(parsed(html).seen) == {"ul", "li", "p", *TABLE}
    assert html.count("<tr>") == 2
    assert html.count("<td") == 2


@pytest.mark.parametrize("name", ["a", "`", "``", "a`b", " a ", "a|b", "\\", "a\\", "a\\|b", "", EVIL])
def test_names_are_code_of_one_cell(rendered, name):
    html = rendered(f"| {code(name)} | x |\n|---|---|\n| {code(name)} | y |")
    assert html.count("<td>") == html.count("<th>") == 2
    assert set(parsed(html).seen) <= {*TABLE, "code"}


def test_a_command_ends_where_it_should(rendered):
    html = rendered(f"{block('bench.py ``` x')}\n\nbehind")
    assert "<p>behind</p>" in html


def test_the_page_fits_a_comment_whatever_is_in_it(rendered):
    check = Check(name="recovery", target="new/x@cpu", answer="fail", says="x")
    summary = with_checks(*(dataclasses.replace(check, target="t" * 9000) for _ in range(500)))
    long = "@" * 100_000
    summary["gate"]["reasons"] = [long] * 50
    summary["notes"] = [long] * 50
    summary["targets"] = [{**summary["targets"][1], "id": f"{long}{number}"} for number in range(200)]
    summary["findings"] = [
        {"cause": "x", "target": long, "says": long, "remedy": long, "command": long, "likelihood": 1, "evidence": {}}
    ] * 50
    page = markdown(summary)
    assert len(page.encode()) <= MOST_BYTES
    assert page.endswith("The rest is in report.html.\n")
    assert "and 40 more" in page
    assert rendered(page).startswith("<h1>seatrial: REGRESSION</h1>")

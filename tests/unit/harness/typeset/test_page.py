"""Parts of a page: tables without empty columns, drawings with words, styles as classes, text that can be seen."""

import xml.etree.ElementTree as ElementTree

import pytest
from markupsafe import Markup

from seatrial.harness.typeset.drawings import COLOURS, panel
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure
from seatrial.harness.typeset.plain import all_visible, visible
from seatrial.harness.typeset.styles import as_classes

HEADINGS = [Heading("a"), Heading("b", group="both"), Heading("c", figures=False, group="both")]


def parts(table, tag):
    root = ElementTree.fromstring(str(Markup.escape(table)).replace("<table data-sort>", "<table>"))
    return ["".join(one.itertext()) for one in root.iter(tag)]


def test_a_table_has_a_caption_and_heads_for_rows_and_columns():
    text = Markup.escape(Table("what <it> shows", HEADINGS, [["x", Cell("2.0 %", 0.02), "y & z"]], sortable=False))
    root = ElementTree.fromstring(text)
    assert parts(text, "caption") == ["what <it> shows"]
    assert [(one.get("scope"), one.get("colspan")) for one in root.iter("th")] == [
        ("colgroup", "2"),
        *[("col", None)] * 3,
        ("row", None),
    ]
    assert [one.get("data-order") for one in root.iter("td")][-2:] == ["0.02", None]
    assert "data-sort" not in text


@pytest.mark.parametrize("empty", ["-", "", " ", Cell("-", None)])
def test_a_column_without_any_figure_is_left_out(empty):
    rows = [["x", empty, "1"], ["y", "-", "2"]]
    assert parts(Table("t", HEADINGS, rows), "th") == ["both", "a", "c", "x", "y"]
    assert Markup.escape(Table("t", HEADINGS[:2], [["x", empty]])) == ""
    assert Markup.escape(Table("t", HEADINGS, [])) == ""


def test_long_tables_are_folded_away():
    assert parts(Table("t", HEADINGS, [["x", "1", "2"]] * 25), "summary") == ["t: 25 rows"]
    assert parts(Table("t", HEADINGS, [["x", "1", "2"]] * 24), "summary") == []
    assert parts(Table("t", HEADINGS, [["x", "1", "2"]] * 25, folded=False), "summary") == []


def drawn(title="x $_{<b>"):
    with panel() as made:
        made.axis.plot([0, 1], [0, 1], color=COLOURS[0], marker="o")
        made.axis.set_title(title)
    return made.svg


def test_a_drawing_says_what_it_shows_and_holds_no_more_than_it_must():
    raw = drawn()
    text = Drawing(raw, "Title <&>", "It rises.").__html__()
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert [root.find(name).text for name in ("title", "desc")] == ["Title <&>", "It rises."]
    assert root.get("aria-labelledby").split() == [root.find("title").get("id"), root.find("desc").get("id")]
    assert "x $_{<b>" in parts(text, "text"), "a name is no formula"
    for left_out in ("<metadata", "<style", "<!--", 'id="axes_1"', "xlink"):
        assert left_out not in text
    used = {one.get("href") for one in root.iter("use")}
    assert used
    assert used <= {f"#{one.get('id')}" for one in root.iter() if one.get("id")}
    assert len(text) < len(raw) * 0.75


def test_ids_of_two_drawings_are_their_own():
    page = figure([Drawing(drawn("a"), "A"), Drawing(drawn("b"), "B")], "both", ["t<"])
    ids = [one.get("id") for one in ElementTree.fromstring(page).iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert "t&lt;" in page


def test_styles_become_classes_with_the_pages_colours():
    page = f'<p class="a" style="fill: {COLOURS[1]}; stroke: #000000">style="color: red"</p><br style="top: 1px"/>'
    changed, rules = as_classes(page)
    assert 'style="color: red"' in changed, "text is no attribute"
    assert changed.count("style=") == 1
    first, second = rules.splitlines()
    assert first.endswith("{ fill: var(--c1); stroke: var(--ink) }")
    assert f'<p class="a {first[1:8]}">' in changed
    assert f'<br class="{second[1:8]}"/>' in changed


@pytest.mark.parametrize("evil", ["} body { display: none", "a: url(x\\)", "x: y</style>", "a: @import"])
def test_no_style_ends_its_rule(evil):
    changed, rules = as_classes(f'<p style="{evil}">x</p>')
    assert "style" not in changed or "</style>" in evil
    assert rules == ""


def test_signs_that_nobody_sees_are_spelled():
    assert visible("a\u202eb\x1b[0m\u200b\ud800") == r"a\u202eb\x1b[0m\u200b\ud800"
    assert (
        visible("two\nlines\tand \u00e9 \U0001f469\u200d\U0001f4bb")
        == "two\nlines\tand \u00e9 \U0001f469\u200d\U0001f4bb"
    )
    assert all_visible({"a\u2066": ["\u2028", 1, None, True, ("\x00",)]}) == {
        "a\\u2066": ["\\u2028", 1, None, True, ["\\x00"]]
    }

"""Tables at the widths of real terminals: nothing is cut off, and every target is told from the others."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from seatrial.harness.typeset.tables import Grid, Listing, facts, figures, long_name, name, words

IDS = [
    "onnxruntime/fp32@cpu",
    "onnxruntime/int8@cpu",
    "openvino/sim-w4a4@cpu",
    "openvino/sim-w4a8@cpu",
    "tensorrt-rtx/int8@cuda:0",
    "tensorrt-rtx/int8@cuda:1",
    "pytorch/fp16@cuda:0",
    "vendor:onnxruntime/int8@cpu",
]


def drawn(shape, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(shape)
    text = console.file.getvalue()
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "…" not in text
    return text


def listing(ids):
    shape = Listing("model on 500 images", name("target"), words("realized"), *figures("top-1", "vs fp32", "p50 ms"))
    for place, target in enumerate(ids):
        shape.add(target, "int8 99.8 %, fp32 0.2 %", f"{90 + place}.00 %", "-1.25", "0.473")
    return shape


def grid(ids):
    shape = Grid("mean top-1", ids)
    for row in ("gaussian_noise", "jpeg_compression"):
        shape.add(row, *(f"{60 + place}.36 % (+0.30)" for place in range(len(ids))))
    return shape


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("shape", [listing, grid])
def test_every_target_and_every_figure_stands_whole(shape, count, width):
    text = drawn(shape(IDS[:count]), width)
    for place, target in enumerate(IDS[:count]):
        assert target in text
        figure = f"{90 + place}.00 %" if shape is listing else f"{60 + place}.36 % (+0.30)"
        assert text.count(figure) == (1 if shape is listing else 2)


def test_a_listing_that_fits_is_a_table_with_a_line_for_each_target():
    lines = drawn(listing(IDS[:3]), 100).splitlines()
    assert sum("int8 99.8 %, fp32 0.2 %" in line for line in lines) == 3
    assert next(line for line in lines if IDS[2] in line).split()[-1] == "0.473"


def test_a_listing_that_does_not_fit_names_each_figure():
    text = drawn(listing(IDS[:2]), 40)
    first = text[text.index(IDS[0]) : text.index(IDS[1])]
    assert [line.split()[0] for line in first.splitlines()[1:]] == ["realized", "top-1", "vs", "p50"]


def test_a_column_of_words_gives_way_before_the_table_does():
    text = drawn(listing(IDS[:3]), 72)
    assert text.count("fp32") == 5  # one is the reference's name, one a heading
    assert next(line for line in text.splitlines() if IDS[0] in line).split()[-1] == "0.473"


def test_a_wide_grid_numbers_its_targets_and_says_which_is_which():
    lines = drawn(grid(IDS), 60).splitlines()
    assert [f"{place}: {one}" for place, one in enumerate(IDS, start=1)] == lines[1:9]
    heads = [line.split() for line in lines if line.strip() and set("".join(line.split())) <= set("12345678")]
    assert [label for one in heads for label in one] == list("12345678")  # in blocks below each other, each target once


def test_notes_of_columns_stay_with_their_columns():
    shape = Grid("under attack", IDS[:4], notes=["masking: pass", "masking: FAIL", "masking: pass", "masking: pass"])
    shape.add("pgd-linf@2", "1.00", "2.00", "3.00", "4.00")
    lines = drawn(shape, 80).splitlines()
    heads = next(place for place, line in enumerate(lines) if line.split() == ["1", "2", "3", "4"])
    assert lines[heads + 1].split()[::2] == ["masking:"] * 4
    assert lines[heads + 1].split()[3] == "FAIL"


def test_a_long_name_is_folded_and_the_figures_beside_it_stay_whole():
    shape = Listing("Worst layers", long_name("node"), *figures("dB", "own"))
    shape.add("/stage1/block0/conv2/Conv_quant_" * 3 + " (Conv)", "12.3", "-45.6")
    text = drawn(shape, 40)
    assert "12.3" in text
    assert "-45.6" in text
    folded = "".join("".join(line.split()[:1]) for line in text.splitlines()[3:])
    assert "/stage1/block0/conv2/Conv_quant_" * 3 in folded


@pytest.mark.parametrize("width", [20, 40])
def test_cells_that_are_wider_than_the_terminal_are_folded(width):
    shape = Grid("queries", ["a/x@cpu"])
    shape.add("blackbox/square-linf@8", ("100 / 123.4 / 1000; 12 fell", "and so on and on and on"))
    text = drawn(shape, width)
    signs = "".join(text.split())
    assert all(signs.count(sign) >= count for sign, count in (("@", 2), ("/", 4), (";", 1)))


def test_names_are_text_in_every_table():
    evil = "[red]\x1b[31m\u202ename\nVerdict: ACCEPT"
    shapes = [Listing(evil, name("a"), *figures("b")), Grid(evil, [evil])]
    for shape in shapes:
        shape.add(evil, evil)
    for shape in (*shapes, facts([(evil, evil)])):
        text = drawn(shape, 200)
        assert "[red]?[31m?name Verdict: ACCEPT" in text
        assert not any(line.startswith("Verdict") for line in text.splitlines())

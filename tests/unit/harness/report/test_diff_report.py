"""A comparison in words, tables, Markdown, HTML and JSON."""

import dataclasses
import io
import json
import math
import re

import pytest
from rich.console import Console
from specs import flat

from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.diff import make_parser, spec_of
from seatrial.harness.diff.result import Answers, DiffResult, Image, Instrumented, LayerDifference, Unmatched
from seatrial.harness.report.diff import decibels, print_diff, render_diff, sentences, tables
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

NASTY = "<script>alert(1)</script>|[red]`x`\x1b[31m\n"


def layer(position, snr_db, **more):
    fields = {
        "value": f"v{position}",
        "node": f"n{position}",
        "op": "Conv",
        "readers": (f"n{position + 1}",),
        "input_db": 40.0,
        "computed_db": None,
        "layer_db": 50.0,
        "rounding_db": None,
        "saturated": None,
        "largest_difference": 0.5,
        "relative": 0.01,
        "cosine": 0.999,
        "broken": 0,
        "worst_image": ("a.png", snr_db - 1),
        **more,
    }
    return LayerDifference(position=position, snr_db=snr_db, **fields)


def result(*layers, **more):
    fields = {
        "model": "net",
        "model_digest": "0" * 64,
        "data": "test.npz",
        "images": 8,
        "seed": 0,
        "reference": "onnxruntime/fp32@cpu",
        "target": "openvino/int8@cpu",
        "target_precision": "int8",
        "same_file": False,
        "values": "all",
        "keeping": "readers",
        "threshold_db": 20.0,
        "top": 10,
        "answers": Answers(15.0, 7, 8, 7, (Image("b.png", 1, 1, 2, 9.0),)),
        "reference_instrumented": Instrumented(math.inf, 8),
        "target_instrumented": Instrumented(45.0, 8),
        "unmatched": (),
        "notes": (),
        **more,
    }
    return DiffResult(layers=layers, **fields)


SPOILT = (
    layer(1, math.inf, layer_db=math.inf),
    layer(2, 15.0, rounding_db=16.0, saturated=0.25),
    layer(3, 12.0),
    layer(4, 25.0, layer_db=18.0),
)


def test_the_first_below_the_threshold_is_where_they_part():
    assert result(*SPOILT).parts_at.value == "v2"
    assert result(*SPOILT, threshold_db=13.0).parts_at.value == "v3"
    assert result(*SPOILT, threshold_db=5.0).parts_at is None
    assert result(layer(1, -math.inf), threshold_db=-1e9).parts_at.value == "v1"


def test_the_worst_and_the_largest_steps_are_two_orders():
    found = result(*SPOILT)
    assert [one.value for one in found.worst] == ["v3", "v2", "v4"]
    assert [(step.kind, step.layer.value) for step in found.steps] == [
        ("rounding", "v2"),
        ("layer", "v4"),
        ("layer", "v2"),
        ("layer", "v3"),
    ]
    assert len(result(*SPOILT, top=1).worst) == 1


@pytest.mark.parametrize(
    ("more", "rounding", "own"),
    [
        ({"keeping": "readers"}, ("n3",), ("n4",)),
        ({"keeping": "around"}, ("n2", "n3"), ("n4",)),
        ({"keeping": "around", "values": "rounded"}, ("n2", "n3"), ("n4", "n5")),
        ({"keeping": None}, (), ()),
    ],
)
def test_the_nodes_to_keep_are_those_around_a_value_where_both_ends_round_it(more, rounding, own):
    steps = result(*SPOILT, **more).steps
    assert (steps[0].keep_float, steps[1].keep_float) == (rounding, own)


def test_the_answer_comes_first():
    text = sentences(result(*SPOILT))
    assert text[0].startswith("They part first at n2 (Conv, layer 2 of 4, value v2): signal to noise 15.0 dB")
    assert text[1] == (
        "Rounding v2 (Conv n2) to its integers adds the most: 16.0 dB by itself, 25.0 % of its elements saturate. "
        "To leave it in float: --keep-float n3."
    )
    assert text[2].startswith("Same label on 7 of 8 images; right: reference 8, target 7.")
    assert sentences(result())[0].startswith("Nothing could be compared")
    assert sentences(result(SPOILT[0]))[0] == "They do not part: every layer keeps more than 20 dB of signal to noise."


@pytest.mark.parametrize(
    ("logits", "shown", "trusted"), [(15.0, 25.0, True), (15.0, 24.0, False), (70.0, 61.0, True), (70.0, 59.0, False)]
)
def test_the_layers_are_trusted_where_showing_them_changes_little(logits, shown, trusted):
    answers = dataclasses.replace(result().answers, snr_db=logits)
    found = result(*SPOILT, answers=answers, target_instrumented=Instrumented(shown, 8))
    assert found.trusted is trusted
    assert ("not all that the untouched engine does" in " ".join(sentences(found))) is not trusted


def test_an_engine_that_gives_no_logits_is_told():
    failed = Instrumented(-math.inf, 0, "NaN or infinite logits")
    found = result(*SPOILT, answers=Answers(None, None, None, None, ()), target_instrumented=failed)
    text = " ".join(sentences(found))
    assert found.trusted is None
    assert "Labels cannot be compared" in text
    assert "openvino/int8@cpu untouched gives no logits: NaN or infinite logits" in text


def nasty():
    one = layer(1, 1.0, value=NASTY, node=NASTY, op=NASTY, readers=(NASTY,), worst_image=(NASTY, 1.0), rounding_db=1.0)
    image = Image(NASTY, 0, 0, 1, 1.0)
    return result(
        one,
        model=NASTY,
        data=NASTY,
        answers=Answers(1.0, 0, 0, 0, (image,)),
        unmatched=(Unmatched(NASTY, NASTY, NASTY, NASTY),),
        notes=(NASTY,),
    )


def test_names_from_files_do_nothing_in_a_page():
    page = render_diff(nasty(), html=True)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<td") == page.count("</td>") > 20


def test_names_from_files_do_nothing_in_markdown():
    text = render_diff(nasty(), html=False)
    assert re.search(r"(?<!\\)<", text) is None
    assert "\x1b" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_names_from_files_do_nothing_in_the_terminal():
    buffer = io.StringIO()
    print_diff(nasty(), Console(file=buffer, width=200, force_terminal=False))
    assert "\x1b" not in buffer.getvalue()
    assert "[red]" in buffer.getvalue()


def test_every_row_has_a_cell_for_every_heading():
    for brief in (True, False):
        for table in tables(nasty(), brief=brief):
            assert {len(row) for row in table.rows} == {len(table.headings)}


def test_json_holds_no_infinity():
    text = json.dumps(result(*SPOILT, layer(5, -math.inf, broken=3)).to_dict(), allow_nan=False)
    found = json.loads(text)
    assert (found["schema"], found["parts_at"], found["worst"][0]) == (1, "v2", "v5")
    assert (found["layers"][0]["snr_db"], found["layers"][0]["equal"]) == (None, True)
    assert (found["layers"][4]["snr_db"], found["layers"][4]["equal"], found["layers"][4]["broken"]) == (None, False, 3)
    assert found["steps"][0] == {"kind": "rounding", "value": "v2", "node": "n2", "own_db": 16.0, "keep_float": ["n3"]}
    assert found["answers"]["differing"] == [{"id": "b.png", "label": 1, "reference": 1, "target": 2, "snr_db": 9.0}]


def test_decibels_in_words():
    found = [decibels(value) for value in (12.345, -0.04, math.inf, -math.inf, None)]
    assert found == ["12.3", "-0.0", "equal", "none", "-"]


def parse(*words):
    return spec_of(parse_flags(make_parser(), words))


def test_flags_mean_what_they_mean_in_a_run():
    spec = parse("--model", "m.onnx", "--engine", "ov", "--limit", "3", "--calib-limit", "9", "--threads", "2")
    assert spec.run == flat(
        RunSpec, model="m.onnx", targets=(TargetSpec("openvino", "int8"),), limit=3, calib_limit=9, threads=2
    )
    assert parse().run.images.limit == 8
    assert parse("--same-file", "--against", "torch").reference == TargetSpec("pytorch", "int8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--bits", "8", "--precision", "int8"), "give one"),
        (("--engine", "nosuch"), "Known: "),
        (("--against", "openvino/int5"), "int5"),
        (("--same-file", "--against", "openvino/int8"), "--same-file"),
        (("--threshold-db", "loud"), "--threshold-db"),
        (("--top", "0"), "--top"),
        (("--values", "some"), "--values"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        parse(*words)

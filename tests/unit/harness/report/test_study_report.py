"""A study as it is shown: in 80 columns, on the page, and in Markdown."""

import io

import numpy as np
import pytest
from markupsafe import escape
from rich.console import Console

from seatrial.harness.conditions.kinds.pipeline.settings import settings
from seatrial.harness.report.page.part import Shown
from seatrial.harness.report.studies.console import print_study
from seatrial.harness.report.studies.markdown import study as in_markdown
from seatrial.harness.report.studies.page import study as on_page
from seatrial.harness.results.studies import extremes, merkel, robustmq
from seatrial.harness.results.studies.robustmq import Systematic
from seatrial.harness.results.studies.rows import Row
from seatrial.harness.results.studies.table import table

SETTINGS = settings("pillow", "pillow-bilinear")
CONDITIONS = (
    "clean",
    "corruption/fog@1",
    "corruption/impulse_noise@3",
    "blackbox/square-linf@8",
    *(name for name in SETTINGS.values() if name != "clean"),
    *(f"attack/{attack}@{eps}{file}" for attack in ("fgsm-linf", "pgd-linf") for eps in (2, 8) for file in ("", "+v")),
)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)

    def row(method, bits, file, masking):
        right = {name: rng.uniform(size=200) < 0.3 + 0.4 * ("attack" not in name) for name in CONDITIONS}
        return Row(f"{method}:onnxruntime/x@cpu", method, bits, bits[0] < 32, right, file=file, masking=masking)

    return [row("float", (32, 32), "fp32", "pass"), row("lsq", (8, 8), "v", "pass"), row("lsq", (2, 2), "v", "fail")]


@pytest.fixture(scope="module", params=["robustmq", "merkel"])
def summary(request, rows):
    sure = Systematic(SETTINGS)
    if request.param == "robustmq":
        found = [*robustmq.claims(rows, sure), *extremes.of_corruptions(rows), *extremes.of_filters(rows, sure)]
        block = table(rows, SETTINGS)
    else:
        found, block = merkel.claims(rows), merkel.table(rows)
    claims = [one.to_dict() for one in found]
    return {"study": {"suite": request.param, "rows": block, "claims": claims, "notes": ["Nobody guesses."]}}


def shown(summary):
    console = Console(file=io.StringIO(), width=80)
    print_study(summary, console)
    return console.file.getvalue()


def test_the_terminal_has_80_columns_and_every_answer(summary):
    text = shown(summary)
    assert max(map(len, text.splitlines())) <= 80
    answers = {one["answer"] for one in summary["study"]["claims"]}
    assert all(answer in text for answer in answers)
    assert "Nobody guesses." in text
    for line in dict.fromkeys(one["caveat"] for one in summary["study"]["claims"]):
        assert line in " ".join(text.split())
    if summary["study"]["suite"] == "robustmq":
        assert "WCAR mid" in text
        assert "FAIL" in text


def test_the_page_has_each_sentence_its_figure_and_why(summary):
    part = on_page(Shown({**summary, "targets": [], "reference": "x"}))
    for claim in summary["study"]["claims"]:
        assert escape(claim["sentence"]) in part.body
        assert claim["source"] in part.body
    if summary["study"]["suite"] == "merkel":
        assert part.body.count("<svg role") == 2
    else:
        assert "AR by attack" in part.body


def test_markdown_has_the_table_of_sentences(summary):
    text = "\n".join(in_markdown(summary))
    assert text.count("cannot be told") == sum(c["answer"] == "cannot be told" for c in summary["study"]["claims"])
    assert "`lsq" in text or summary["study"]["suite"] == "merkel"


def test_other_suites_show_nothing():
    assert shown({}) == ""
    assert list(in_markdown({"study": None})) == []
    assert on_page(Shown({"study": None})) is None

"""The recipes of docs/results.md for DuckDB, Polars and pandas, run as they stand there."""

import contextlib
import importlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.trials import About, write_trial

DOCS = Path(__file__).resolve().parents[4] / "docs/results.md"
LABEL = np.arange(8, dtype=np.int32) % 4
RIGHT = {("a/fp32@cpu", "clean"): 8, ("a/int8@cpu", "clean"): 6, ("a/int8@cpu", "corruption/fog@3"): 2}


def recipes():
    text = DOCS.read_text(encoding="utf-8").partition("## Prediction rows")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    return {re.match(r"import (\w+)", block)[1]: block for block in blocks}


@pytest.fixture
def run(tmp_path, monkeypatch):
    for number, ((target, condition), right) in enumerate(RIGHT.items()):
        top1 = np.where(np.arange(8) < right, LABEL, (LABEL + 1) % 4).astype(np.int32)
        top = np.stack([(top1 + shift) % 4 for shift in range(4)], axis=1).astype(np.int32)
        share = np.full(8, 0.5, np.float32)
        ids = [f"class/{index}.jpg" for index in range(8)]
        rows = Predictions(label=LABEL, top=top, p_top1=share, margin=share)
        write_trial(tmp_path / "runs/m/trials", f"{number:064x}", About(target, condition), ids, rows)
    monkeypatch.chdir(tmp_path)


def test_there_is_one_for_each():
    assert list(recipes()) == ["duckdb", "polars", "pandas"]


@pytest.mark.parametrize("library", ["duckdb", "polars", "pandas"])
def test_it_tells_the_accuracy_of_every_target_under_every_condition(library, run):
    pytest.importorskip(library, reason=f"the recipe needs it: pip install {library}")
    first, _, asked = recipes()[library].partition("\n")
    names = {}
    exec(first, names)
    found = eval(asked.strip(), names)
    rows = {
        "duckdb": lambda: found.fetchall(),
        "polars": lambda: found.rows(),
        "pandas": lambda: [(*key, value) for key, value in found.items()],
    }[library]()
    assert {(target, condition): top1 for target, condition, top1 in rows} == {
        key: right / 8 for key, right in RIGHT.items()
    }
    with contextlib.redirect_stdout(io.StringIO()) as text:
        print(found)
    assert "corruption/fog@3" in text.getvalue()
    assert importlib.import_module(library).__version__

"""seatrial from Python: the page of the documentation, arrays, and what is told of wrong ones."""

import json
import re

import numpy as np
import onnx
import pytest
from conftest import ROOT, make_model

import seatrial
from seatrial.errors import UsageError
from seatrial.harness.progress import Silent


def arrays(count, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8), np.arange(count) % 4


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "m.onnx")
    for name, (images, labels) in {"test": arrays(24, 0), "calib": arrays(16, 1)}.items():
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
    return tmp_path


def test_the_page_runs_as_it_stands(here, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "onnxruntime/int8@cpu" in shown
    assert "Verdict:" in shown
    assert json.loads((here / "runs/m/summary.json").read_text()) == names["result"].summary.to_dict()
    assert "<pre>" in names["result"]._repr_html_()
    pairs = names["more"], names["result"]
    assert [one.directory.name for one in pairs] == ["entropy", "m"]
    found = seatrial.compare(*pairs)
    assert set(found.targets) == {"onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"}
    assert all(one.change.delta == 0 for one in found.targets["onnxruntime/fp32@cpu"].conditions.values())
    assert f"Verdict: {found.verdict}" in str(found)
    assert (here / "int8.onnx").is_file()


def test_arrays_and_objects_answer_as_paths_do(here):
    common = {"size": 16, "bits": 8, "conditions": "clean", "progress": Silent()}
    paths = seatrial.run(model="m.onnx", data="test.npz", calib="calib.npz", out="paths", **common)
    seatrial.run(model=onnx.load("m.onnx"), data=arrays(24, 0), calib=arrays(16, 1)[0], out="objects", **common)
    found = seatrial.compare(paths, here / "objects").targets
    assert [(target, [*one.conditions], one.conditions["clean"].images) for target, one in found.items()] == [
        ("onnxruntime/fp32@cpu", ["clean"], 24),
        ("onnxruntime/int8@cpu", ["clean"], 24),
    ]
    assert all(one.conditions["clean"].change.agreement == 1 for one in found.values())


def test_images_alone_are_asked_about_without_labels(here):
    result = seatrial.run(
        model="m.onnx",
        size=16,
        data=arrays(12, 0)[0],
        unlabelled=True,
        calib="calib.npz",
        conditions="clean",
        out="run",
    )
    _, int8 = result.targets
    assert int8.conditions == {}
    assert int8.likeness["clean"]["images"] == 12
    assert "images without labels" in str(result)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"data": arrays(4, 0)[0]}, "and labels .* unlabelled=True"),
        ({"data": (arrays(4, 0)[0].astype(np.float32), [0, 1, 2, 3])}, "uint8 images .* not float32"),
        ({"model": 3}, "A model is a path"),
        ({"modle": "m.onnx"}, "'modle', which is no flag"),
        ({"bits": 3}, "--bits 3"),
        ({"limit": "many"}, "--limit"),
    ],
)
def test_what_cannot_be_meant_is_told(here, flags, says):
    with pytest.raises(UsageError, match=says):
        seatrial.run(**{"model": "m.onnx", "size": 16, "data": "test.npz", "calib": "calib.npz", **flags})


def test_what_is_no_run_cannot_be_compared(here):
    with pytest.raises(UsageError, match="holds no run"):
        seatrial.compare("one", "one")

"""A file that a command would write over, and that it reads, is not lost."""

from pathlib import Path

import pytest
from conftest import bench, make_folders, make_model

from seatrial import api
from seatrial.errors import UsageError
from seatrial.harness.command import parse
from seatrial.harness.command.flags.written import refuse_overwriting


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("command", ["export", "quantize"])
def test_the_model_is_not_written_over(model, tmp_path, command):
    before = model.read_bytes()
    (tmp_path / "link.onnx").symlink_to(model)
    folder = make_folders(tmp_path / "images", images=2)
    words = {"export": ["--data", folder], "quantize": ["--engine", "onnxruntime", "--bits", 8, "--calib", folder]}
    for out in (model, tmp_path / "link.onnx", tmp_path / "images/../m.onnx"):
        done = bench([command, "--model", model, "--size", 16, *words[command], "--out", out])
        assert done.returncode == 2
        assert "is the file of --model, which would be lost" in " ".join(done.stderr.split())
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["export", "--model", "m.onnx", "--out", "n.onnx", "--json", "m.onnx"],
            "--json m.onnx is the file of --model",
        ),
        (["export", "--model", "m.py:net", "--out", "m.onnx", "--weights", "m.onnx"], "is the file of --weights"),
        (["contract", "--model", "m.py:net", "--json", "m.py"], "--json m.py is the file of --model"),
        (["build", "--model", "m.onnx", "--engine", "trt", "--out", "m.onnx"], "is the file of --model"),
        (["diff", "--model", "m.onnx", "--data", "d.npz", "--json", "d.npz"], "is the file of --data"),
        (["diff", "--variant", "a=m.onnx", "--variant", "b=d.npz", "--json", "d.npz"], "is the file of --variant"),
        (["export", "--model", "m.onnx", "--out", "n.onnx", "--json", "n.onnx"], "--out and --json are both n.onnx"),
    ],
)
def test_no_file_that_is_named_is_written_over(tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    for name in ("m.onnx", "m.py", "d.npz"):
        Path(name).write_text(name)
    with pytest.raises(UsageError, match=says):
        parse(words)


def test_nor_is_it_from_python(model):
    before = model.read_bytes()
    with pytest.raises(UsageError, match="is the file of --model"):
        api.quantize(model=str(model), size=(16, 16), engine="onnxruntime", bits=8, out=str(model))
    assert model.read_bytes() == before


def test_a_run_that_goes_on_writes_where_it_reads(tmp_path):
    refuse_overwriting({"from": tmp_path, "out": tmp_path, "data": tmp_path, "json": True, "variant": ["a=b=c", "x:"]})

"""Int8 files on this processor and on an x86 one without VNNI: the same file, the same answers, or a caution."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import ROOT
from small_graphs import Images
from specs import flat

from seatrial import calib, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.overflow import find_overflow
from seatrial.engines.cpu import Processor
from seatrial.engines.places import LOCAL, EngineProcess
from seatrial.exporters.contract import embed
from seatrial.exporters.presets import PRESETS
from seatrial.harness.data import open_source, select
from seatrial.harness.pipeline.reader import SourceReader
from seatrial.harness.run.run import run as run_of
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

ENGINES = ("onnxruntime", "openvino")
COUNT = 8


def run(python, *words):
    done = subprocess.run(
        [python, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _first(shared, model, part, count):
    chosen = select(open_source(shared / f"data/cifar10/{part}.npz", 10, None), seed=0, limit=count)
    return SourceReader(chosen, model.contract).read(0, count)


@pytest.fixture(scope="module")
def made(shared, tmp_path_factory):
    """A ResNet-20 in float, int8 for all processors and int8 for those with VNNI; images; the folder of the files."""
    folder = tmp_path_factory.mktemp("files")
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])
    calibration, test = (_first(shared, model, name, count) for name, count in (("calib", 64), ("test", COUNT)))
    np.save(folder / "images.npy", model.contract.normalise(test))
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    embed(proto, model.contract, ())
    (folder / "float.onnx").write_bytes(proto.SerializeToString())
    files = {}
    for engine in ENGINES:
        for name, portable in (("portable", True), ("wide", False)):
            file = calib.quantize(
                model,
                "int8",
                engine=engine,
                images=Images(images=calibration),
                options=QuantizeOptions(portable=portable),
                saturates=False,
            )
            (folder / f"{name}-{engine}.onnx").write_bytes(file.onnx_bytes)
            files[f"{name}-{engine}"] = file
    return folder, files


@pytest.fixture(scope="module")
def answers(made, haswell, tmp_path_factory):
    """{"here", "haswell"} -> name -> logits."""
    folder, _ = made
    asked = {"fp32": {"file": "float.onnx", "engine": "onnxruntime", "precision": "fp32", "session": "ours"}}
    for engine in ENGINES:
        for name in ("portable", "wide"):
            for session in ("ours", "plain") if name == "portable" else ("ours",):
                asked[f"{name}-{engine}-{session}"] = {
                    "file": f"{name}-{engine}.onnx",
                    "engine": engine,
                    "precision": "int8",
                    "session": session,
                }
    for question in asked.values():
        question.update(file=str(folder / question["file"]), images=str(folder / "images.npy"))
    (folder / "questions.json").write_text(json.dumps(asked))
    found = {}
    for place, python in (("here", sys.executable), ("haswell", haswell)):
        run(python, ROOT / "tests/processors/answer.py", folder / "questions.json", folder / f"{place}.npz")
        found[place] = dict(np.load(folder / f"{place}.npz"))
    return found


def labels(logits):
    return logits.reshape(len(logits), -1).argmax(axis=1)


def decibels(exact, found):
    return 10 * np.log10(np.square(exact).sum() / max(np.square(exact - found).sum(), 1e-30))


def test_the_children_of_the_emulated_python_have_no_vnni_either(haswell):
    ask = "import json; from seatrial.engines.cpu import processor; print(json.dumps(processor().to_dict()))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    told = json.loads(run(haswell, "-c", child))
    found = Processor(told["machine"], frozenset(told["features"]))
    assert "avx2" in found.features
    assert found.saturates


def test_float_gives_the_same_labels_on_both(answers):
    np.testing.assert_array_equal(labels(answers["here"]["fp32"]), labels(answers["haswell"]["fp32"]))
    assert decibels(answers["here"]["fp32"], answers["haswell"]["fp32"]) > 80


@pytest.mark.parametrize("engine", ENGINES)
def test_a_portable_file_gives_the_same_labels_on_both_bar_rounding(answers, engine):
    here, there = (answers[place][f"portable-{engine}-ours"] for place in ("here", "haswell"))
    assert (labels(here) != labels(there)).sum() <= 1
    assert decibels(here, there) > 30


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", ["here", "haswell"])
def test_a_portable_file_is_near_to_float_on_both(answers, engine, place):
    found, exact = answers[place][f"portable-{engine}-ours"], answers[place]["fp32"]
    assert decibels(exact, found) > 26
    assert (labels(found) != labels(exact)).sum() <= 1


@pytest.mark.parametrize("place", ["here", "haswell"])
def test_a_default_session_of_onnxruntime_gives_the_figures_of_a_run(answers, place):
    ours, plain = (answers[place][f"portable-onnxruntime-{name}"] for name in ("ours", "plain"))
    np.testing.assert_array_equal(ours, plain)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", ["here", "haswell"])
def test_8_bit_weights_saturate_where_the_features_say(answers, engine, place):
    """What the caution is for: on a processor without VNNI, the same file loses more than half of its precision."""
    features = frozenset(answers[place]["features"].tolist())
    noise = decibels(answers[place]["fp32"], answers[place][f"wide-{engine}-ours"])
    assert bool(noise < 22) is Processor("x86_64", features).saturates


@pytest.mark.parametrize("engine", ENGINES)
def test_the_files_say_which_processors_they_are_right_for(made, engine):
    _, files = made
    told = {
        name: json.loads(
            {p.key: p.value for p in files[f"{name}-{engine}"].proto.metadata_props}["seatrial.processors"]
        )
        for name in ("portable", "wide")
    }
    assert told["portable"]["right_on"] == "all"
    assert told["portable"]["overflowing"] == 0
    assert told["wide"]["right_on"] == "all but x86 without VNNI"
    assert told["wide"]["overflowing"] == len(find_overflow(files[f"wide-{engine}"].proto).layers) >= 15
    assert told["wide"]["layers"] == told["portable"]["layers"] == 20


@pytest.mark.parametrize(
    ("features", "cautioned"), [({"avx2"}, True), ({"avx2", "avx_vnni"}, False)], ids=["without VNNI", "with VNNI"]
)
def test_a_run_of_ones_own_file_says_where_it_is_right_and_cautions_where_it_is_not(
    made, shared, tmp_path, monkeypatch, features, cautioned
):
    folder, _ = made
    told = dataclasses.replace(LOCAL.facts(), processor=Processor("x86_64", frozenset(features)))
    monkeypatch.setattr(EngineProcess, "there", lambda self: told)
    monkeypatch.setattr(type(LOCAL), "facts", lambda self: told)
    spec = flat(
        RunSpec,
        model=str(folder / "wide-onnxruntime.onnx"),
        data=str(shared / "data/cifar10/test.npz"),
        limit=4,
        targets=(TargetSpec("onnxruntime", "int8"),),
        conditions=("clean",),
        out=tmp_path / "run",
    )
    summary, directory = run_of(spec)
    (target,) = (one for one in summary["targets"] if one["precision"] == "int8")
    assert target["processors"]["right_on"] == "all but x86 without VNNI"
    assert len(target["processors"]["overflowing"]) >= 15
    assert any("without VNNI" in note for note in summary["notes"])
    found = [note for note in summary["notes"] if "of 20 layers can saturate on this processor" in note]
    assert bool(found) is cautioned
    assert all("of the 4 test images tried" in note and "--portable" in note for note in found)
    page = (directory / "report.html").read_text()
    assert "right on x86 processors with VNNI" in page
    assert ("can saturate on this processor" in page) is cautioned
    assert json.loads((directory / "run.json").read_text())["identity"]["targets"]["onnxruntime/int8@cpu"]["processor"][
        "features"
    ] == sorted(features)

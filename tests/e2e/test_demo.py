"""The demo: a network and synthetic photographs inside the product, as documented."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import bench_process
from PIL import Image

from seatrial import exporters
from seatrial.harness.demo import DEMO_CLASSES, demo_model_path, ensure_demo_data
from seatrial.harness.demo.render import render_jpeg


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """The demo on its 1000 images; `test_run` counts the conditions of the suite that is run without a flag."""
    out = tmp_path_factory.mktemp("demo") / "run"
    done = bench_process(["--suite", "quick", "--out", out])
    assert done.returncode == 0, done.stderr
    return out, done


def test_the_command_alone_runs_the_demo_to_its_verdict(demo_run):
    out, done = demo_run
    summary = json.loads((out / "summary.json").read_text())
    fp32, int8 = summary["targets"]
    assert fp32["conditions"]["clean"]["images"] == 1000
    assert len(fp32["conditions"]) == len(int8["conditions"]) == 16
    assert fp32["conditions"]["clean"]["top1"] >= 0.9
    assert abs(int8["conditions"]["clean"]["vs_reference"]["delta"]) < 0.01
    assert int8["realized"]["int8"] >= 0.95
    assert summary["gate"]["verdict"] == "ACCEPT"
    assert "Verdict: ACCEPT" in done.stdout


def test_the_network_is_small_and_carries_its_contract():
    assert demo_model_path().stat().st_size < 2_000_000
    model = exporters.load(demo_model_path())
    assert model.class_names == tuple(DEMO_CLASSES)
    assert model.contract.size == (48, 48)
    assert len(DEMO_CLASSES) >= 16


def test_photographs_are_larger_than_the_input_and_differ():
    raw = [render_jpeg("test", label, 0) for label in range(len(DEMO_CLASSES))]
    assert len(set(raw)) == len(raw)
    for encoded in raw:
        image = Image.open(io.BytesIO(encoded))
        assert image.format == "JPEG"
        assert min(image.size) > 56
        assert np.asarray(image).std() > 3


def test_a_photograph_depends_on_its_place_alone():
    first = render_jpeg("test", 3, 7)
    render_jpeg("calib", 1, 1)
    assert render_jpeg("test", 3, 7) == first
    assert render_jpeg("calib", 3, 7) != first


def test_a_damaged_data_set_is_rendered_again(tmp_path):
    rendered = ensure_demo_data(Path(os.environ["SEATRIAL_CACHE"]))[0].parent
    root = tmp_path / "cache"
    shutil.copytree(rendered, root / rendered.name)
    test, calib = ensure_demo_data(root)
    assert test.is_relative_to(root)
    victim = next(calib.glob("*/*.jpg"))
    kept = victim.read_bytes()
    for damage in (None, kept[:-1], bytes([kept[0] ^ 1]) + kept[1:]):
        victim.unlink()
        if damage is not None:
            victim.write_bytes(damage)
        assert ensure_demo_data(root) == (test, calib)
        assert victim.read_bytes() == kept
    assert [folder.name for folder in sorted(test.iterdir())] == list(DEMO_CLASSES)

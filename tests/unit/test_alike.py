"""Models that do not answer alike are found, and sound ones are left in peace."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import unlike_graphs
from small_graphs import CONTRACT
from unlike_graphs import HOLDING, MIXING, RANDOM, SOUND, make

import exporters
from engines import ENGINES
from exporters.randomness import random_nodes
from harness.alike import AS_WRITTEN, settle
from harness.progress import Silent
from harness.request import build_request


class Ear(Silent):
    def __init__(self):
        self.heard = []

    def tell(self, sentence):
        self.heard.append(sentence)


def named(kind):
    return kind.__name__


def as_written(model, batch):
    """What ONNX Runtime itself makes of a batch, without graph optimisation and without us."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {model.input_name: batch})[0]


def here(model):
    return ENGINES["onnxruntime"](build_request(model, optimization=AS_WRITTEN))


def images(count, seed=0):
    return np.random.default_rng(seed).random((count, 3, 16, 16), dtype=np.float32)


@pytest.mark.parametrize("kind", RANDOM, ids=named)
def test_random_graphs_are_told_with_the_operator(kind, tmp_path):
    model, ear = make(kind, tmp_path), Ear()
    ask = as_written(model, images(6))
    assert not np.array_equal(ask(), ask())  # it is random
    settled, findings = settle(model, None, ear, here)
    assert findings.anomalous
    assert findings.random[0].split()[1] == "'culprit'"
    assert ear.heard == list(findings.says)
    assert "each time" in ear.heard[0]
    assert "'culprit'" in ear.heard[0]
    assert settled.fixed_batch is None


@pytest.mark.parametrize("kind", MIXING, ids=named)
def test_graphs_that_mix_a_batch_are_run_one_image_at_a_time(kind, tmp_path):
    model, ear = make(kind, tmp_path), Ear()
    batch, others = images(4), images(4, seed=1)
    others[2] = batch[2]
    assert np.abs(as_written(model, batch)()[2] - as_written(model, others)()[2]).max() > 1e-4  # it mixes
    settled, findings = settle(model, None, ear, here)
    assert settled.fixed_batch == findings.batch == 1
    assert not findings.anomalous
    assert any("'culprit'" in node for node in findings.mixing)
    assert "batch 1" in ear.heard[0]
    assert "'culprit'" in ear.heard[0]


@pytest.mark.parametrize("batch", [1, 4, 7, 8])
@pytest.mark.parametrize("kind", HOLDING, ids=named)
def test_graphs_that_hold_a_batch_are_run_at_it(kind, batch, tmp_path):
    settled, findings = settle(make(kind, tmp_path, batch), None, ear := Ear(), here)
    assert settled.fixed_batch == findings.batch == batch
    assert not findings.anomalous
    assert f"the graph holds {batch}" in ear.heard[0]
    assert as_written(settled, images(batch))().shape == (batch, 4)


@pytest.mark.parametrize("kind", SOUND, ids=named)
def test_sound_graphs_are_left_in_peace(kind, tmp_path):
    model, ear = make(kind, tmp_path), Ear()
    settled, findings = settle(model, None, ear, here)
    assert settled is model
    assert not ear.heard
    assert not findings.anomalous
    assert findings.batch is None


def test_what_draws_inside_of_a_function_is_named(tmp_path):
    make(unlike_graphs.dropout_in_training, tmp_path)
    path = unlike_graphs.with_a_function(tmp_path / "dropout_in_training.onnx")
    (found,) = random_nodes(exporters.load(path, contract=CONTRACT).proto)
    assert found.op == "Dropout"
    assert "training" in found.does

"""Models that do not answer alike are found, and sound ones are left in peace."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import onnxruntime
import pytest
import unlike_graphs
from onnxruntime.quantization import quantize_dynamic
from small_graphs import CONTRACT, Net
from unlike_graphs import HOLDING, MIXING, RANDOM, SOUND, make

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.errors import DeviceError, UnsupportedError
from seatrial.exporters.batch import with_batch
from seatrial.exporters.mixing import mixing_nodes
from seatrial.exporters.randomness import random_nodes
from seatrial.harness.alike import settle, words
from seatrial.harness.alike.answers import compare_answers
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Silent
from seatrial.harness.spec.targets import AS_WRITTEN


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
    assert any(not np.array_equal(ask(), ask()) for _ in range(300))  # it is random
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


def answers_of(infer, *, batch=None, precision="fp32", sizes=()):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    contract = exporters.InputContract((4, 4), "exact")
    return compare_answers(infer, pixels, contract, batch=batch, precision=precision, sizes=sizes)


def pooled(batch):
    return batch.reshape(len(batch), 3, -1).mean(axis=2)


def test_rounding_is_told_from_a_mixed_batch():
    shaken = answers_of(lambda batch: pooled(batch) * np.float32(1 + 2e-5 * (len(batch) == 1)))
    assert not shaken.mixes(False)
    assert answers_of(lambda batch: pooled(batch) * np.float32(1 + 5e-4 * (len(batch) == 1))).mixes(False)


def test_few_bits_may_round_otherwise_alone_and_in_another_order_but_not_beside_other_images():
    def alone(batch):
        return pooled(batch) * np.float32(1 + 8e-3 * (len(batch) == 1))

    def neighbours(batch):
        return pooled(batch) + np.float32(1e-3 * batch.mean())

    assert not answers_of(alone, precision="int8").mixes(False)
    assert answers_of(alone, precision="fp32").mixes(False)
    assert answers_of(neighbours, precision="int8").mixes(False)


def test_the_least_difference_counts_where_an_operator_is_suspected():
    calls = iter(range(9))
    faint = answers_of(lambda batch: pooled(batch) * np.float32(1 + 1e-6 * next(calls)))
    assert faint.again.share < 1e-4
    assert faint.changes(True)
    assert not faint.changes(False)


def test_answers_that_hang_on_the_place_in_the_batch_are_mixed():
    assert answers_of(lambda batch: pooled(batch) + np.arange(len(batch), dtype=np.float32)[:, None]).mixes(False)


def test_a_kernel_that_fails_at_one_size_of_batch_is_found_where_that_size_is_asked():
    def last_of_32(batch):  # as ONNX Runtime 1.23's int8 kernels do on processors with AMX
        scores = pooled(batch)
        if len(batch) == 32:
            scores[-1] += 1
        return scores

    assert not answers_of(last_of_32).mixes(False)
    assert not answers_of(last_of_32, batch=4, sizes=(32,)).mixes(False)
    found = answers_of(last_of_32, precision="int8", sizes=(4, 32))
    assert found.mixes(False)
    assert found.spoilt
    assert (found.filled.asked, found.filled.place, found.filled.images) == (32, 32, 32)
    assert "place 32 of the batch" in words.target_spoils(found)
    assert not answers_of(pooled, sizes=(4, 32)).mixes(True)


def test_one_image_at_a_time_has_no_neighbours():
    found = answers_of(lambda batch: pooled(batch) + batch.mean(), batch=1)
    assert found.neighbours is None
    assert not found.mixes(True)


def test_where_no_operator_is_known_that_is_said(tmp_path):
    model = make(unlike_graphs.plain, tmp_path)
    numbers = np.random.default_rng(0)

    class Drawing:
        def infer(self, batch):
            return numbers.random((len(batch), 4), dtype=np.float32)

    _, findings = settle(model, None, Silent(), lambda model: contextlib.nullcontext(Drawing()))
    assert findings.anomalous
    assert "no operator of the graph is known to do it" in findings.says[0]


def test_an_image_that_a_model_cannot_answer_does_not_hold_the_batch(tmp_path):
    model = make(unlike_graphs.plain, tmp_path)

    class Picky:
        def infer(self, batch):
            if batch.max() > 0.9:
                raise DeviceError("NaN or infinite logits")
            return pooled(batch)

    settled, findings = settle(model, None, Silent(), lambda model: contextlib.nullcontext(Picky()))
    assert settled is model
    assert findings.says == ()


def test_a_frozen_batch_whose_images_meet_is_anomalous(tmp_path):
    make(unlike_graphs.batch_norm_by_hand, tmp_path)
    proto = with_batch(onnx.load(tmp_path / "batch_norm_by_hand.onnx"), 4)
    onnx.save(proto, tmp_path / "four.onnx")
    settled, findings = settle(exporters.load(tmp_path / "four.onnx", contract=CONTRACT), None, Silent(), here)
    assert settled.fixed_batch == 4
    assert findings.anomalous
    assert "frozen at batch 4" in findings.says[0]


def test_draws_that_never_show_are_told_and_believed(tmp_path):
    net = Net()
    drawn = net.op("RandomUniform", name="culprit", shape=[1])
    never = net.op("Greater", drawn, net.constant(np.array([2], np.float32)))
    value = net.op("Add", "input", net.op("Cast", never, to=1))
    net.head(net.conv(value, 3, 8), 8)
    _, findings = settle(net.save(tmp_path / "never.onnx"), None, Silent(), here)
    assert not findings.anomalous
    assert "'culprit'" in findings.says[0]


def test_draws_of_nothing_are_no_suspects(tmp_path):
    assert random_nodes(make(unlike_graphs.noise_on_nothing, tmp_path).proto) == ()


@pytest.mark.parametrize("kind", [kind for kind in SOUND if kind is not unlike_graphs.two_views], ids=named)
def test_sound_graphs_have_no_operator_that_mixes(kind, tmp_path):
    model = make(kind, tmp_path)
    assert mixing_nodes(model.proto, model.input_name, model.contract.tensor_shape, tmp_path) == ()


def test_files_that_are_quantized_dynamically_are_refused_with_the_way_out(tmp_path):
    make(unlike_graphs.plain, tmp_path)
    quantize_dynamic(tmp_path / "plain.onnx", tmp_path / "dynamic.onnx", op_types_to_quantize=["Gemm", "MatMul"])
    with pytest.raises(UnsupportedError, match=r"quantized dynamically.*--bits 8"):
        exporters.load(tmp_path / "dynamic.onnx", contract=CONTRACT)

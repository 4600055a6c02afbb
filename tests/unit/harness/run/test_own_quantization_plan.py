"""What a run does with a model that is quantized, or half-precision, by itself."""

import contextlib

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx_files import brevitas_style, changed, half, softmax
from specs import flat

from seatrial import exporters
from seatrial.calib import QuantizeOptions
from seatrial.errors import BadInputError, UnsupportedError, UsageError
from seatrial.exporters.contract import embed
from seatrial.exporters.float_view import float_view
from seatrial.harness.plan.files import needs_calibration
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.predictions import rows_of
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.building import build_targets
from seatrial.harness.run.images import run_images
from seatrial.harness.run.processes import started
from seatrial.harness.run.session import Session
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

SMALL = exporters.ContractOptions(size=(16, 16))
INT8 = TargetSpec("onnxruntime", "int8")


def spec_for(model, data, **changes):
    return flat(RunSpec, model=str(model), data=str(data), contract=SMALL, suite="quick", **changes)


@contextlib.contextmanager
def opened(plan):
    with started(plan) as fleet, run_images(plan, Silent()) as (images, calibration):
        yield Session(plan, RunDirectory(plan.out), images, calibration, fleet, Silent())


def test_a_file_of_the_target_precision_runs_as_it_ships_without_calibration(tmp_path, data_folder):
    path = brevitas_style(tmp_path / "m.onnx")
    plan = make_plan(spec_for(path, data_folder), Silent())
    assert plan.calib is None
    assert plan.identity.run["model"]["precision"] == "int8"
    with opened(plan) as session:
        build_targets(session)
        reference, int8 = session.targets
        assert session.failures == []
        assert int8.model is plan.model
        assert int8.engine.audit().realized()["int8"] >= 0.99
        assert reference.model.digest == float_view(plan.model).digest != plan.model.digest
        assert reference.engine.audit().realized() == {"fp32": 1.0}


def test_another_precision_is_unsupported_with_a_way_out(tmp_path, data_folder):
    path = brevitas_style(tmp_path / "m.onnx", weight_bits=4)
    with pytest.raises(
        UnsupportedError, match=r"to sim-w4a8 \(simulated: .*cannot be tested at int8\. Ask for --precision sim-w4a8"
    ):
        make_plan(spec_for(path, data_folder), Silent())


def test_an_engine_that_does_not_look_at_the_graph_takes_any(tmp_path, data_folder):
    path = brevitas_style(tmp_path / "m.onnx")
    plan = make_plan(spec_for(path, data_folder, targets=(TargetSpec("null", "int4"),)), Silent())
    assert plan.calib is None


def test_a_float_model_still_needs_calibration_images(tmp_path, data_folder):
    with pytest.raises(UsageError, match="needs calibration images"):
        make_plan(spec_for(make_model(tmp_path / "m.onnx"), data_folder), Silent())


@pytest.mark.parametrize(
    ("precision", "own", "needed"),
    [("int8", "fp32", True), ("int8", "fp16", True), ("int8", "int8", False), ("fp32", "int8", False)],
)
def test_what_needs_calibration(tmp_path, precision, own, needed):
    import dataclasses

    model = dataclasses.replace(exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL), precision=own)
    assert needs_calibration(model, TargetSpec("onnxruntime", precision), QuantizeOptions()) is needed
    assert needs_calibration(model, REFERENCE, QuantizeOptions()) is False


def test_targets_of_one_model_may_take_different_inputs(tmp_path, data_folder):
    plan = make_plan(spec_for(changed(tmp_path / "h.onnx", half), data_folder, targets=(REFERENCE,)), Silent())
    assert plan.identity.run["model"]["precision"] == "fp16"
    with opened(plan) as session:
        build_targets(session)
        (reference,) = session.targets
        assert (plan.model.contract.dtype, reference.model.contract.dtype) == ("float16", "float32")
        batch = reference.model.contract.normalise(np.zeros((2, 16, 16, 3), np.uint8))
        assert reference.engine.infer(batch).shape == (2, 4)


def test_probabilities_are_not_put_through_a_softmax_again(tmp_path):
    plain = exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL)
    ended = exporters.load(changed(tmp_path / "s.onnx", softmax), contract=SMALL)
    assert (plain.scores, ended.scores) == ("logits", "probabilities")
    logits = np.random.default_rng(0).standard_normal((50, 10)).astype(np.float32) * 5
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)
    labels = np.zeros(50, np.int64)
    of_logits, of_probabilities = rows_of(logits, labels), rows_of(probabilities, labels, "probabilities")
    np.testing.assert_array_equal(of_probabilities.top, of_logits.top)
    np.testing.assert_allclose(of_probabilities.p_top1, of_logits.p_top1, rtol=1e-5)
    np.testing.assert_allclose(of_probabilities.margin, of_logits.margin, rtol=1e-4, atol=1e-6)
    wrong = rows_of(probabilities, labels)
    assert np.abs(wrong.p_top1 - of_logits.p_top1).max() > 0.3  # a second softmax flattens them


def test_probabilities_of_zero_have_a_logit_and_keep_their_order():
    rows = rows_of(np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0]], np.float32), np.array([1, 2]), "probabilities")
    assert rows.top.tolist() == [[1, 0, 2, 3], [0, 2, 1, 3]]
    np.testing.assert_allclose(rows.p_top1, [1, 0.5])
    np.testing.assert_allclose(rows.margin, [1, 0], atol=1e-6)


def test_the_reference_runs_the_named_float_model(tmp_path, data_folder):
    path, origin = brevitas_style(tmp_path / "m.onnx"), make_model(tmp_path / "float.onnx")
    plain = make_plan(spec_for(path, data_folder), Silent())
    plan = make_plan(spec_for(path, data_folder, float_model=str(origin)), Silent())
    reference, int8 = plan.builds
    first = plan.conditions[0]
    assert plan.key(reference, first) != plain.key(reference, first)
    assert plan.key(int8, first) == plain.key(int8, first)
    with opened(plan) as session:
        build_targets(session)
        built = {target.build.target.precision: target.model for target in session.targets}
        assert built["int8"] is plan.model
        assert built["fp32"].digest == exporters.load(origin, contract=SMALL).digest


def test_a_contract_that_one_of_the_two_files_carries_is_that_of_both(tmp_path, data_folder):
    path, origin = brevitas_style(tmp_path / "m.onnx"), make_model(tmp_path / "float.onnx")
    proto = onnx.load(origin)
    contract = exporters.InputContract((16, 16), resize="exact", mean=(0.5,) * 3, std=(0.25,) * 3, color="bgr")
    embed(proto, contract, ())
    onnx.save(proto, origin)
    for model, float_model in ((path, origin), (origin, path)):
        spec = flat(RunSpec, model=str(model), data=str(data_folder), float_model=str(float_model), suite="quick")
        if model is path:
            plan = make_plan(spec, Silent())
            assert (plan.model.contract, plan.origin.contract) == (contract, contract)
        else:
            with pytest.raises(BadInputError, match="is quantized itself, to int8"):
                make_plan(spec, Silent())


def test_a_float_model_is_not_left_untested_for_another_one(tmp_path, data_folder):
    path, origin = make_model(tmp_path / "m.onnx"), make_model(tmp_path / "float.onnx", seed=1)
    with pytest.raises(BadInputError, match=r"is a float model itself.*--model \S+float.onnx --variant NAME=\S+m.onnx"):
        make_plan(spec_for(path, data_folder, float_model=str(origin)), Silent())


@pytest.mark.parametrize("changes", [{"classes": 5}, {"size": 20}])
def test_another_model_is_no_float_model_of_this_one(tmp_path, data_folder, changes):
    path, origin = brevitas_style(tmp_path / "m.onnx"), make_model(tmp_path / "float.onnx", **changes)
    with pytest.raises((BadInputError, UsageError), match=r"differ in|20x20|16x16"):
        make_plan(spec_for(path, data_folder, float_model=str(origin)), Silent())

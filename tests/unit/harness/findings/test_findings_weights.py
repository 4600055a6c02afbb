"""Weights that stand out of their layer."""

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import numpy_helper
from scipy.stats import median_abs_deviation

from seatrial.harness.findings.weights import put_back, scan, standing_out


def enlarged(path, name, channel, factor):
    model = onnx.load(path)
    tensor = next(one for one in model.graph.initializer if one.name == name)
    weight = numpy_helper.to_array(tensor).copy()
    weight[channel] *= factor
    tensor.CopyFrom(numpy_helper.from_array(weight, name))
    return model


@pytest.mark.parametrize(("name", "node"), [("w1", "conv1"), ("w2", "conv2")])
def test_a_channel_that_is_fifty_times_as_large_stands_out_and_is_put_back(tmp_path, name, node):
    path = make_model(tmp_path / "m.onnx")
    assert scan(onnx.load(path)).outlying == ()
    model = enlarged(path, name, 3, 50.0)
    (found,) = scan(model).outlying
    assert (found.node, found.channel, found.ratio > 25) == (node, 3, True)
    assert scan(put_back(model, found)).outlying == ()


def test_a_layer_of_zeros_is_dead(tmp_path):
    assert scan(enlarged(make_model(tmp_path / "m.onnx"), "w2", slice(None), 0.0)).dead == ("conv2",)


def test_robust_deviations_are_those_of_the_logarithms():
    ranges = np.random.default_rng(0).lognormal(0, 1.2, 64)
    ratio, far = standing_out(ranges)
    logarithms = np.log(ranges)
    expected = (logarithms - np.log(np.median(ranges))) / median_abs_deviation(
        logarithms, center=lambda x, axis: np.log(np.median(ranges)), scale=1 / 1.4826
    )
    assert ratio == pytest.approx(ranges / np.median(ranges))
    assert far == pytest.approx(expected, rel=1e-6)

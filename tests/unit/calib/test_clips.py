"""Clips without a lower bound, an upper one or both, in all the ways that files write them, at int8."""

import numpy as np
import onnx
import pytest
from small_graphs import Images, Net

from seatrial import calib
from seatrial.calib.observe import session_for
from seatrial.calib.points import find_places
from seatrial.calib.recipes import recipe_for

BOUNDS = {"upper": (None, 0.5), "lower": (0.0, None), "none": (None, None), "both": (-0.3, 0.4), "relu": (0.0, 0.6)}


def by_input(net, value, low, high, *, wrap=None):
    names = ["" if bound is None else net.constant(np.float32(bound)) for bound in (low, high)]
    if wrap:
        names = [name and net.op(*wrap[:1], name, **wrap[1]) for name in names]
    while names and not names[-1]:
        names.pop()
    return net.op("Clip", value, *names)


def by_node(net, value, low, high):
    names = ["" if one is None else net.op("Constant", value_float=one) for one in (low, high)]
    return net.op("Clip", value, *names)


def by_attribute(net, value, low, high):
    given = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
    return net.op("Clip", value, **given)


# How the bounds are written -> (opset, what writes them).
FORMS = {
    "attributes": (10, by_attribute),
    "inputs of opset 11": (11, by_input),
    "inputs": (17, by_input),
    "nodes": (17, by_node),
    "casts": (17, lambda *a: by_input(*a, wrap=("Cast", {"to": onnx.TensorProto.FLOAT}))),
}


def network(write, bounds, path, opset):
    net = Net()
    value = write(net, net.conv("input", 3, 8, stride=2), *bounds)
    value = write(net, net.conv(value, 8, 16, name="middle"), *bounds)
    net.head(net.op("Relu", net.conv(value, 16, 16)), 16)
    return net.save(path / "m.onnx", opset=opset)


def decibels(model, made):
    tensor = model.contract.normalise(Images(24).images)
    exact, found = (session_for(one.proto).run(None, {"input": tensor})[0].astype(np.float64) for one in (model, made))
    return 10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum())


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("form", FORMS)
def test_int8_keeps_the_scores(form, bounds, tmp_path):
    opset, write = FORMS[form]
    model = network(write, BOUNDS[bounds], tmp_path, opset)
    made = calib.quantize(model, "int8", engine="onnxruntime", images=Images())
    assert decibels(model, made) > 20


def test_no_steps_are_spent_on_what_a_clip_cuts_off(tmp_path):
    proto = network(by_input, (None, 0.5), tmp_path, 17).proto
    places = find_places(proto.graph, recipe_for("onnxruntime", "int8"))
    clip = next(node for node in proto.graph.node if node.op_type == "Clip")
    (before,) = (one for one in places.activations if one.name == clip.input[0])
    assert before.range_of == clip.output[0]


def test_a_value_that_others_read_keeps_its_own_range(tmp_path):
    net = Net()
    value = net.conv("input", 3, 8, name="stem")
    clipped = net.op("Clip", value, "", net.constant(np.float32(0.1)))
    both = net.op("Concat", clipped, net.op("Relu", net.conv(value, 8, 8, size=1)), axis=1)
    net.head(net.op("Relu", net.conv(both, 16, 16)), 16)
    places = find_places(net.save(tmp_path / "m.onnx").proto.graph, recipe_for("onnxruntime", "int8"))
    assert next(one for one in places.activations if one.name == value).range_of == value

"""Which targets are compared across places."""

from itertools import permutations

from seatrial.harness.results.places import pairs_of_places
from seatrial.harness.spec.targets import REFERENCE, TargetSpec, target_of


def pairs(*names):
    return {(one.id, other.id) for one, other in pairs_of_places(list(map(target_of, names)))}


def test_one_engine_and_precision_at_every_two_places():
    here, pi5, nano = "onnxruntime/int8@cpu", "onnxruntime/int8@pi5/cpu", "onnxruntime/int8@nano/cpu"
    assert pairs(here, pi5, nano) == {(here, pi5), (here, nano), (pi5, nano)}
    assert pairs(REFERENCE.id, here, pi5) == {(here, pi5)}


def test_two_engines_only_where_neither_is_elsewhere():
    pi5, nano, here = "onnxruntime/int8@pi5/cpu", "tensorrt/int8@nano/cuda", "onnxruntime/int8@cpu"
    assert pairs(pi5, nano) == {(pi5, nano)}
    assert pairs(here, pi5, nano) == {(here, pi5)}


def test_nothing_is_compared_within_a_place():
    assert pairs("onnxruntime/fp16@cuda", "onnxruntime/fp16@cuda:1", "tensorrt/fp16@cuda") == set()
    assert pairs("onnxruntime/int8@pi5/cpu", "openvino/int8@pi5/cpu", "onnxruntime/int4@nano/cpu") == set()


def test_no_order_changes_who_is_compared():
    names = ["a/int8@cpu", "a/int8@x/cpu", "b/int8@y/cpu", "c/int8@z/cpu"]
    asked = [TargetSpec(one.engine, one.precision, one.device, one.board) for one in map(target_of, names)]
    found = {frozenset(frozenset(pair) for pair in pairs_of_places(order)) for order in permutations(asked)}
    assert len(found) == 1

"""Real networks in forms that their engine does not execute: every layer that falls back has a reason."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from calibration_images import ArrayImages

from seatrial import calib, engines, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.calib.static import quantize_static
from seatrial.engines import BuildRequest
from seatrial.engines.cpu import processor
from seatrial.exporters.presets import PRESETS
from seatrial.harness.results.fallback import UNEXPLAINED, Where, explain

SYMMETRIC = dataclasses.replace(
    calib.recipe_for("onnxruntime", "int8"), activation_type="int8", symmetric_activations=True
)
FORMS = {
    "own": lambda request: calib.quantize(request.model, "int8", engine="onnxruntime", images=request.images),
    "symmetric": lambda request: quantize_static(dataclasses.replace(request, recipe=SYMMETRIC)),
    "for openvino": lambda request: calib.quantize(request.model, "int8", engine="openvino", images=request.images),
    "for tensorrt": lambda request: calib.quantize(request.model, "int8", engine="tensorrt", images=request.images),
}


def reasons(model, made):
    """How many layers there are, how many for each reason."""
    request = BuildRequest(
        made.onnx_bytes, model.input_name, model.output_name, (3, *model.contract.size), model.classes, "int8"
    )
    with engines.build("onnxruntime", request) as engine:
        audit = engine.audit()
        found = explain(audit, made, Where("onnxruntime", "cpu", processor().is_x86), engine.describe())
    assert all(why is None or why.node in {node.name for node in made.proto.graph.node} for why in found)
    return len(found), Counter(why.reason for why in found if why is not None)


@pytest.mark.skipif(not processor().is_x86, reason="what ONNX Runtime does with int8 activations on x86")
@pytest.mark.parametrize(
    ("name", "form", "layers", "starts"),
    [
        ("cifar10_resnet20", "own", 20, {}),
        ("cifar10_resnet20", "symmetric", 20, {"int8 activations that several operators read": 9}),
        ("cifar10_resnet20", "for openvino", 20, {"its result is read in float": 9, "a float bias": 1}),
        (
            "cifar10_resnet20",
            "for tensorrt",
            20,
            {"a Relu between it and its Q/DQ": 10, "its result is read in float": 9, "left in float in the file": 1},
        ),
        ("imagenet_squeezenet1_1", "own", 26, {}),
        ("imagenet_squeezenet1_1", "symmetric", 26, {"int8 activations that several operators read": 16}),
    ],
)
def test_every_layer_has_its_reason(shared, name, form, layers, starts):
    model = exporters.load(shared / f"models/{name}.onnx", contract=PRESETS[name.partition("_")[0]])
    height, width = model.contract.size
    noise = np.random.default_rng(0).integers(0, 256, (8, height, width, 3), dtype=np.uint8)
    made = FORMS[form](Request(model, SYMMETRIC, ArrayImages(noise), QuantizeOptions()))
    total, found = reasons(model, made)
    assert total == layers
    assert UNEXPLAINED not in found
    assert {start: sum(n for why, n in found.items() if why.startswith(start)) for start in starts} == starts
    assert sum(found.values()) == sum(starts.values())

"""The NV12 round trip of a batch beside the inference of a small network on it, in turn in one process."""

import time

import numpy as np
import pytest

from seatrial import engines, exporters
from seatrial.exporters import ContractOptions
from seatrial.harness.pipeline.color import COLORS

pytestmark = pytest.mark.performance

BATCH = 64
ROUNDS = 5


def test_nv12_takes_a_fraction_of_the_inference(shared):
    options = ContractOptions(preset="imagenet")
    model = exporters.load(shared / "models/imagenet_squeezenet1_1.onnx", contract=options)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), dtype=np.uint8)
    tensor = model.contract.normalise(images)
    request = engines.BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        model.contract.tensor_shape,
        model.classes,
        "fp32",
    )
    best = [float("inf"), float("inf")]
    with engines.build("onnxruntime", request) as engine:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for image in images:
                COLORS["nv12-bt601"](image)
            between = time.perf_counter()
            engine.infer(tensor)
            best = [min(best[0], between - begin), min(best[1], time.perf_counter() - between)]
    print(f"\n{BATCH} images: NV12 {best[0] * 1e3:.0f} ms, inference {best[1] * 1e3:.0f} ms: {best[0] / best[1]:.2f}")
    assert best[0] < best[1] / 4

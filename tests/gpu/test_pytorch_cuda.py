"""The PyTorch engine on an NVIDIA GPU: the same logits as on the CPU, in float32 and nothing less."""

import numpy as np
import pytest
import torch

import engines
import exporters
from engines.base import BuildRequest

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason=f"PyTorch {torch.__version__} sees no CUDA device"),
]


@pytest.mark.parametrize("name", ["cifar10_resnet20", "gtsrbnet64", "imagenet_mobilenet_v1_075"])
def test_cuda_and_cpu_agree(shared, name):
    size = {"cifar10_resnet20": 32, "gtsrbnet64": 64}.get(name, 224)
    contract = exporters.ContractOptions(size=(size, size), mean=(0.5,) * 3, std=(0.5,) * 3)
    model = exporters.load(shared / f"models/{name}.onnx", contract=contract)
    images = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    tensor = model.contract.normalise(images)
    logits = {}
    for device in ("cpu", "cuda"):
        request = BuildRequest(
            model.onnx_bytes, model.input_name, model.output_name, (3, size, size), model.classes, device=device
        )
        with engines.build("pytorch", request) as engine:
            logits[device] = engine.infer(tensor)
            assert engine.audit().realized() == {"fp32": 1.0}
    np.testing.assert_allclose(logits["cuda"], logits["cpu"], atol=1e-3)

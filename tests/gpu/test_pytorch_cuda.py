"""The PyTorch engine on an NVIDIA GPU: the same logits as on the CPU, in float32 and nothing less."""

import time

import numpy as np
import pytest
import torch

from seatrial import engines, exporters
from seatrial.engines.base import BuildRequest
from seatrial.errors import UnsupportedError

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


def request_for(model_file, **changes):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4, **changes)


def test_a_gpu_by_its_number_is_the_same_gpu(model_file):
    batch = np.random.default_rng(0).standard_normal((4, 3, 16, 16), dtype=np.float32)
    with (
        engines.build("pytorch", request_for(model_file, device="cuda")) as one,
        engines.build("pytorch", request_for(model_file, device="cuda:0")) as other,
    ):
        np.testing.assert_array_equal(one.infer(batch), other.infer(batch))
        assert one.describe()["device"] == "cuda:0"


def test_a_gpu_that_is_not_there_is_refused(model_file):
    count = torch.cuda.device_count()
    with pytest.raises(UnsupportedError, match=f"cannot use 'cuda:{count}': PyTorch sees {count} GPU"):
        engines.build("pytorch", request_for(model_file, device=f"cuda:{count}"))


def test_phases_are_the_parts_of_an_inference_by_the_gpus_own_clock(model_file):
    batch = np.random.default_rng(0).standard_normal((256, 3, 16, 16), dtype=np.float32)
    with engines.build("pytorch", request_for(model_file, device="cuda")) as engine:
        engine.infer(batch)
        begin = time.perf_counter()
        phases = engine.phases(batch)
        wall_ms = 1000 * (time.perf_counter() - begin)
        assert list(phases) == ["h2d", "compute", "d2h"]
        assert all(taken > 0 for taken in phases.values())
        assert sum(phases.values()) <= wall_ms
        with pytest.raises(ValueError, match="takes float32"):
            engine.phases(batch[0])


def test_float32_is_no_tf32_whatever_the_process_asked_for(model_file):
    batch = np.random.default_rng(0).standard_normal((64, 3, 16, 16), dtype=np.float32)
    with (
        engines.build("pytorch", request_for(model_file)) as cpu,
        engines.build("pytorch", request_for(model_file, device="cuda")) as gpu,
    ):
        expected = cpu.infer(batch)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.allow_tf32 = True
        np.testing.assert_allclose(gpu.infer(batch), expected, rtol=0, atol=2e-5)

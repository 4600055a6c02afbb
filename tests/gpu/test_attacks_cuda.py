"""Gradients on an NVIDIA GPU: the same attacks, as strong, reproducible, and as far as they may go."""

import numpy as np
import pytest
import torch

from seatrial import exporters
from seatrial.exporters import ContractOptions
from seatrial.harness.attacks.chunks import CleanChunk
from seatrial.harness.attacks.gradients import on_surrogate
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.attacks.surrogate import Surrogate
from seatrial.harness.spec.attacks import AttackOptions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason=f"PyTorch {torch.__version__} sees no CUDA device"),
]


@pytest.fixture(scope="module")
def world(shared):
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=ContractOptions(preset="cifar10"))
    with np.load(shared / "data/cifar10/test.npz") as data:
        pixels, labels = data["images"][:200], data["labels"][:200].astype(np.int64)
    return model, CleanChunk([str(index) for index in range(200)], labels, pixels)


def made(world, name, device):
    model, part = world
    surrogate = Surrogate(model, device)
    work = on_surrogate(parse_attack(name), lambda: surrogate, lambda: surrogate, AttackOptions(device=device), 0)
    return work(part)


def test_logits_and_gradients_are_those_of_the_cpu(world):
    model, part = world
    images = torch.from_numpy(part.pixels).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(part.labels)
    found = {}
    for device in ("cpu", "cuda:0"):
        own = labels.to(device)
        loss = lambda z, own=own: torch.nn.functional.cross_entropy(z, own, reduction="none")  # noqa: E731
        logits, _, gradient = Surrogate(model, device).gradient(images.to(device), loss)
        found[device] = logits.cpu(), gradient.cpu()
    torch.testing.assert_close(found["cuda:0"][0], found["cpu"][0], atol=1e-3, rtol=1e-3)
    scale = found["cpu"][1].abs().amax()
    torch.testing.assert_close(found["cuda:0"][1] / scale, found["cpu"][1] / scale, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "name", ["attack/fgsm-linf@2", "attack/pgd-linf@1", "attack/pgd-l2@0.5", "attack/apgd-ce-linf@1"]
)
def test_attacks_are_as_strong_as_on_the_cpu(world, name):
    on_cpu, on_gpu = made(world, name, "cpu"), made(world, name, "cuda:0")
    assert abs(on_gpu.rows.correct.mean() - on_cpu.rows.correct.mean()) <= 0.03
    assert on_gpu.rows.distance.max() <= parse_attack(name).eps * (1 + 1e-6)


def test_images_reproduce_bit_for_bit(world):
    first, second = (made(world, "attack/pgd-linf@2", "cuda:0") for _ in range(2))
    assert np.array_equal(first.images, second.images)

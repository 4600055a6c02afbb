"""PGD on a 4-bit network's Q/DQ file, against PGD with the gradients of the training framework's own module.

`pip install brevitas==0.13.4 onnxoptimizer unfoldNd dependencies==2.0.1 --no-deps`, beside PyTorch.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity.brevitas_network import export, quantized  # noqa: E402
from parity.peer_attacks import Normalised, cifar10, in_batches, original, right  # noqa: E402

from seatrial import exporters  # noqa: E402
from seatrial.exporters.presets import PRESETS  # noqa: E402
from seatrial.harness.attacks import pgd  # noqa: E402, F401
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.losses import cross_entropy  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem  # noqa: E402
from seatrial.harness.attacks.surrogate import Surrogate  # noqa: E402

# Brevitas warns of its own modules, and PyTorch of how Brevitas exports.
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
COUNT = 500
STEPS, STEP = 20, 0.075


@pytest.fixture(scope="module")
def pair(shared, tmp_path_factory):
    """Brevitas's module, which takes RGB in [0, 1], and our copy of the file that it exports."""
    for name in ("brevitas", "onnxoptimizer"):
        pytest.importorskip(name, reason=f"{name} is not installed: {__doc__.splitlines()[2]}")
    with np.load(shared / "data/cifar10/calib.npz") as archive:
        pixels = torch.from_numpy(archive["images"][:256]).permute(0, 3, 1, 2).float() / 255
    network = original(shared, "resnet20")
    made = quantized(network.network, (pixels - network.mean) / network.std)
    path = tmp_path_factory.mktemp("brevitas") / "w4a4.onnx"
    export(made, path)
    return Normalised(made).eval(), exporters.load(path, contract=PRESETS["cifar10"])


def pgd_of(module, radius):
    """Madry et al. 2018, written out: 20 steps of 0.075 eps along the gradient's sign, from a random start."""
    generator = torch.Generator().manual_seed(0)

    def attack(clean, labels):
        images = (clean + radius * (2 * torch.rand(clean.shape, generator=generator) - 1)).clamp(0, 1)
        for _ in range(STEPS):
            variable = images.detach().requires_grad_()
            loss = torch.nn.functional.cross_entropy(module(variable), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, variable)
            images = images + STEP * radius * gradient.sign()
            images = (clean + (images - clean).clamp(-radius, radius)).clamp(0, 1)
        return images

    return attack


def ours(surrogate, radius):
    def attack(clean, labels):
        names = [str(hash(image.numpy().tobytes())) for image in clean]
        return GRADIENT_ATTACKS["pgd-linf"](Problem(surrogate, clean, labels, radius, Draws(0, names, "pgd-linf")))

    return attack


def test_the_file_and_the_module_have_the_same_scores_and_gradients(shared, pair):
    module, file = pair
    assert file.precision == "sim-w4a4"
    images, labels = cifar10(shared, 64)
    surrogate = Surrogate(file)
    variable = images.clone().requires_grad_()
    scores = module(variable)
    (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(scores, labels, reduction="sum"), variable)
    logits, _, gradient = surrogate.gradient(images, lambda found: cross_entropy(found, labels))
    torch.testing.assert_close(logits, scores.detach(), rtol=0, atol=1e-4)
    agree = (gradient.sign() == expected.sign()).float().mean()
    print(f"\nlogits differ by {float((logits - scores).abs().max()):.1e}, {100 * float(agree):.2f} % of signs agree")
    assert agree > 0.999


@pytest.mark.parametrize("eps", [1, 2, 8])
def test_robust_accuracy_of_a_4_bit_network_is_that_of_the_modules_own_gradients(shared, pair, eps):
    module, file = pair
    images, labels = cifar10(shared, COUNT)
    surrogate, radius = Surrogate(file), eps / 255
    clean = 100 * float(right(module, images, labels).float().mean())
    assert clean > 85
    own, theirs = (
        100 * float(right(module, in_batches(attack, images, labels), labels).float().mean())
        for attack in (ours(surrogate, radius), pgd_of(module, radius))
    )
    print(f"\nPGD-20 {eps}/255 on {COUNT} images, clean {clean:.1f} %: {own:.1f} %, module's own {theirs:.1f} %")
    assert abs(own - theirs) <= 1.0

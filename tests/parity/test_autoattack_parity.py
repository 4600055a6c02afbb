"""The parts of AutoAttack against torchattacks and pyautoattack, at the same parameters, on a trained ResNet-20.

The peers attack the network's own PyTorch module, and that module judges both sets of images.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from seatrial import exporters  # noqa: E402
from seatrial.harness.attacks import apgd, autoattack, fab  # noqa: E402, F401  (they register themselves)
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem  # noqa: E402
from seatrial.harness.attacks.surrogate import Surrogate  # noqa: E402

Tensor = Any
SEED = 7
LOGGER = logging.getLogger(__name__)
NORMS = {"linf": "Linf", "l2": "L2"}
PEERS = ("pyautoattack", "torchattacks")


@dataclasses.dataclass(frozen=True)
class Network:
    """The same network twice, and test images in [0, 1]."""

    module: Any
    surrogate: Surrogate
    images: Tensor
    labels: Tensor

    def robust(self, images: Tensor) -> Tensor:
        """Which of the first images the module is still right about: bool [N]."""
        with torch.no_grad():
            answers = torch.cat([self.module(part).argmax(1) for part in images.split(100)])
        return answers == self.labels[: len(images)]


class _Normalized(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.std)


@pytest.fixture(scope="module")
def network(shared: Path) -> Network:
    spec = importlib.util.spec_from_file_location("cifar_resnet", shared / "models/torch/cifar_resnet.py")
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    plain = source.resnet20()
    plain.load_state_dict(torch.load(shared / "models/torch/cifar10_resnet20.pt", weights_only=True))
    module = _Normalized(plain).eval().requires_grad_(False)
    model = exporters.load(
        str(shared / "models/cifar10_resnet20.onnx"), contract=exporters.ContractOptions(preset="cifar10")
    )
    with np.load(shared / "data/cifar10/test.npz") as data:
        images = torch.from_numpy(data["images"][:1000].astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(data["labels"][:1000].astype(np.int64))
    return Network(module, Surrogate(model), images, labels)


def own(network: Network, name: str, radius: float, count: int) -> Tensor:
    parts = []
    for start in range(0, count, 50):
        part = slice(start, min(start + 50, count))
        draws = Draws(SEED, [str(index) for index in range(part.start, part.stop)], name)
        problem = Problem(network.surrogate, network.images[part], network.labels[part], radius, draws)
        parts.append(GRADIENT_ATTACKS[name](problem))
    return torch.cat(parts)


def _pyautoattack(module: Any, name: str, norm: str, radius: float) -> Callable[[Tensor, Tensor], Tensor]:
    from pyautoattack import AutoAttack
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT

    common = {"norm": NORMS[norm], "eps": radius, "seed": SEED, "device": "cpu"}
    if name == "autoattack":
        ensemble = AutoAttack(module, **common)
        return lambda images, labels: ensemble.run_standard_evaluation(images, labels)[0]
    if name == "fab-t":
        return FABAttack_PT(module, n_iter=100, targeted=True, **common).perturb
    if name == "apgd-t":
        return APGDAttack_targeted(module, n_iter=100, logger=LOGGER, **common).perturb
    return APGDAttack(module, n_iter=100, loss=name.removeprefix("apgd-"), logger=LOGGER, **common).perturb


def _torchattacks(module: Any, name: str, norm: str, radius: float) -> Callable[[Tensor, Tensor], Tensor]:
    import torchattacks

    common = {"norm": NORMS[norm], "eps": radius, "seed": SEED}
    if name == "autoattack":
        return torchattacks.AutoAttack(module, **common)
    if name == "fab-t":
        return torchattacks.FAB(module, steps=100, multi_targeted=True, **common)
    if name == "apgd-t":
        return torchattacks.APGDT(module, steps=100, **common)
    return torchattacks.APGD(module, steps=100, loss=name.removeprefix("apgd-"), **common)


def others(network: Network, peer: str, name: str, radius: float, count: int) -> Tensor:
    attack, _, norm = name.rpartition("-")
    make = {"pyautoattack": _pyautoattack, "torchattacks": _torchattacks}[peer]
    state = torch.random.get_rng_state()  # the peers set PyTorch's own
    try:
        run = make(network.module, attack, norm, radius)
        parts = zip(network.images[:count].split(50), network.labels[:count].split(50), strict=True)
        return torch.cat([run(images, labels) for images, labels in parts])
    finally:
        torch.random.set_rng_state(state)


def left_right(network: Network, peer: str, name: str, radius: float, count: int) -> tuple[int, int]:
    """How many images stay right under our attack and under the peer's; says so, too."""
    pytest.importorskip(peer, reason=f"{peer} is not installed: pip install --no-deps {peer}")
    ours = own(network, name, radius, count)
    theirs = others(network, peer, name, radius, count)
    assert_within(ours - network.images[:count], name, radius)
    found = tuple(int(network.robust(images).sum()) for images in (ours, theirs))
    print(f"| {name} | {radius * 255:.4g}/255 | {count} | {found[0] / count:.2%} | {peer} {found[1] / count:.2%} |")
    return found[0], found[1]


def assert_within(change: Tensor, name: str, radius: float) -> None:
    flat = change.flatten(1).double()
    lengths = flat.abs().amax(1) if name.endswith("linf") else flat.norm(dim=1)
    assert lengths.max() <= radius + 1e-6


SMALL = [
    # Radii at which some of the images stay right, and as many as a minute allows.
    ("pyautoattack", "apgd-ce-linf", 0.75 / 255, 24),
    ("pyautoattack", "apgd-dlr-linf", 0.75 / 255, 24),
    ("torchattacks", "apgd-ce-l2", 0.1, 24),
    pytest.param("pyautoattack", "apgd-t-linf", 0.75 / 255, 10, marks=pytest.mark.long),
    pytest.param("pyautoattack", "fab-t-linf", 1 / 255, 6, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("peer", "name", "radius", "count"), SMALL, ids=lambda value: str(value))
def test_no_more_than_one_image_survives_that_the_peer_fools(
    network: Network, peer: str, name: str, radius: float, count: int
) -> None:
    ours, theirs = left_right(network, peer, name, radius, count)
    assert 0 < theirs < count  # else the comparison would say nothing
    assert ours <= theirs + 1


FULL = [
    *((name, eps / 255, 1000) for name in ("apgd-ce-linf", "apgd-dlr-linf", "apgd-t-linf") for eps in (0.5, 1, 2, 8)),
    *((name, eps, 1000) for name in ("apgd-ce-l2", "apgd-t-l2") for eps in (0.1, 0.5)),
    *(("fab-t-linf", eps / 255, 200) for eps in (0.5, 1, 2, 8)),
    *(("autoattack-linf", eps / 255, 100) for eps in (0.5, 1, 2, 8)),
    ("autoattack-l2", 0.1, 100),
]


@pytest.mark.parity
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("name", "radius", "count"), FULL, ids=lambda value: str(value))
def test_robust_accuracy_is_within_a_point_of_the_peer_or_below(
    network: Network, peer: str, name: str, radius: float, count: int
) -> None:
    ours, theirs = left_right(network, peer, name, radius, count)
    assert ours <= theirs + 0.01 * count


def test_difference_of_logits_ratio_is_the_peers_to_the_bit() -> None:
    base = pytest.importorskip("pyautoattack.autopgd_base", reason="pyautoattack is not installed")
    from seatrial.harness.attacks.losses import dlr, dlr_targeted

    draws = np.random.default_rng(3)
    for classes in (4, 10, 1000):
        logits = torch.from_numpy(draws.normal(0, 4, (64, classes)).astype(np.float32))
        labels = torch.from_numpy(draws.integers(0, classes, 64))
        labels[:32] = logits[:32].argmax(1)  # right and wrong ones
        targets = (labels + torch.from_numpy(draws.integers(1, classes, 64))) % classes
        peer = base.APGDAttack_targeted(None, eps=1.0)
        peer.y_target = targets
        assert torch.equal(dlr(logits, labels), peer.dlr_loss(logits, labels))
        np.testing.assert_allclose(
            dlr_targeted(logits, labels, targets), peer.dlr_loss_targeted(logits, labels), rtol=1e-6
        )

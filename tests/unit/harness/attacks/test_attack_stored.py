"""What every gradient attack stores, whatever network, images and radius: 8 bits, within eps, reproducible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import make_model
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial import exporters
from seatrial.exporters import ContractOptions, DeployableModel
from seatrial.harness.attacks.chunks import CleanChunk
from seatrial.harness.attacks.gradients import on_surrogate
from seatrial.harness.attacks.ids import ATTACKS, AttackId
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS
from seatrial.harness.attacks.store import Chunk
from seatrial.harness.attacks.surrogate import Surrogate
from seatrial.harness.spec.attacks import AttackOptions

GRADIENTS = [name for name, kind in ATTACKS.items() if not kind.blackbox]
QUICK = [name for name in GRADIENTS if "autoattack" not in name and "fab" not in name]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DeployableModel:
    path = make_model(tmp_path_factory.mktemp("small") / "small.onnx", classes=5)
    return exporters.load(path, contract=ContractOptions(size=(16, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)))


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> DeployableModel:
    path = make_model(tmp_path_factory.mktemp("another") / "another.onnx", classes=5, seed=1)
    return exporters.load(path, contract=ContractOptions(size=(16, 16)))


def part_of(count: int, seed: int, first: int = 0) -> CleanChunk:
    rng = np.random.default_rng(seed)
    # Black and white too: the edges of the range of values are where rounding and clipping meet.
    pixels = np.clip(rng.integers(-60, 316, (count, 16, 16, 3)), 0, 255).astype(np.uint8)
    return CleanChunk([f"{first + index}.png" for index in range(count)], rng.integers(0, 5, count), pixels)


def attacked(
    model: DeployableModel, attack: AttackId, part: CleanChunk, seed: int = 0, source: DeployableModel | None = None
) -> Chunk:
    surrogate, other = Surrogate(model), Surrogate(source or model)
    return on_surrogate(attack, lambda: surrogate, lambda: other, AttackOptions(), seed)(part)


def answered(model: DeployableModel, part: CleanChunk) -> CleanChunk:
    """The same images with the labels that the model gives them: otherwise there may be nothing to attack."""
    images = torch.from_numpy(part.pixels).permute(0, 3, 1, 2).float() / 255
    return CleanChunk(part.ids, Surrogate(model).logits(images).argmax(1).numpy(), part.pixels)


def test_every_attack_that_ids_name_is_there() -> None:
    assert set(GRADIENT_ATTACKS) == set(GRADIENTS)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(QUICK), st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 5))
def test_8_bit_images_lie_within_eps_in_whole_pixel_values(
    small: DeployableModel, name: str, levels: int, seed: int, count: int
) -> None:
    norm = ATTACKS[name].norm
    eps = {"linf": float(levels), "l2": levels / 10, "l1": float(levels)}[norm]
    part = part_of(count, seed)
    chunk = attacked(small, AttackId(name, eps, "fp32"), part)
    assert chunk.images.dtype == np.uint8
    change = np.abs(chunk.images.astype(np.int64) - part.pixels.astype(np.int64)).reshape(count, -1)
    if norm == "linf":
        assert change.max() <= levels
    elif norm == "l2":
        assert (change**2).sum(axis=1).max() <= (eps * 255) ** 2
    else:
        assert change.sum(axis=1).max() <= eps * 255
    assert (chunk.rows.distance <= eps * (1 + 1e-6)).all()


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_same_seed_gives_the_same_bits_and_the_surrogates_answer_is_kept(
    small: DeployableModel, another: DeployableModel, name: str
) -> None:
    attack = AttackId(name, {"linf": 96.0, "l2": 9.0, "l1": 90.0}[ATTACKS[name].norm], "qdq")
    part = answered(small, part_of(6, 3))
    first, second = (attacked(small, attack, part, source=another) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert not np.array_equal(first.images, part.pixels)
    surrogate = Surrogate(small)

    def right(pixels: object) -> object:
        images = torch.from_numpy(np.asarray(pixels)).permute(0, 3, 1, 2).float() / 255
        return surrogate.logits(images).argmax(1).numpy() == part.labels

    assert np.array_equal(first.rows.correct, right(first.images))
    assert np.array_equal(first.rows.clean_correct, right(part.pixels))
    assert not first.rows.zero_gradient.any()


@pytest.mark.parametrize("name", ["pgd-linf", "pgd-l2", "apgd-ce-linf", "di-mi-fgsm-linf"])
def test_an_image_is_attacked_the_same_in_any_company(small: DeployableModel, name: str) -> None:
    attack = AttackId(name, 8.0 if ATTACKS[name].norm == "linf" else 1.0, "fp32")
    whole = part_of(6, 5)
    alone = CleanChunk(whole.ids[2:4], whole.labels[2:4], whole.pixels[2:4])
    together, apart = attacked(small, attack, whole), attacked(small, attack, alone)
    # Convolutions may round otherwise in another batch, and a sign turns where a gradient is almost nothing.
    assert (together.images[2:4] != apart.images).mean() < 0.02


def test_a_seed_decides_random_starts_and_the_surrogates_name_does_not(small: DeployableModel) -> None:
    part = part_of(4, 7)
    images = [
        attacked(small, AttackId("pgd-linf", 8.0, surrogate), part, seed).images
        for surrogate, seed in (("fp32", 0), ("qdq-x-int8", 0), ("fp32", 1))
    ]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_a_network_without_gradients_is_told_of(tmp_path: Path) -> None:
    def dead(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "w1":
                weights = -np.abs(onnx.numpy_helper.to_array(tensor))
                tensor.CopyFrom(onnx.numpy_helper.from_array(weights, "w1"))
            if tensor.name == "b1":
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(16, -1, np.float32), "b1"))

    path = make_model(tmp_path / "dead.onnx", change=dead)
    model = exporters.load(path, contract=ContractOptions(size=(16, 16)))
    rng = np.random.default_rng(0)
    part = CleanChunk(["a", "b"], np.array([0, 1]), rng.integers(0, 256, (2, 16, 16, 3), np.uint8))
    for name in QUICK:
        chunk = attacked(model, AttackId(name, 4.0, "qdq"), part)
        assert chunk.rows.zero_gradient.all()
        assert np.abs(chunk.images.astype(int) - part.pixels).max() <= 255

"""torchattacks and foolbox, importable beside current libraries, and the original PyTorch networks they attack."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 50


class Normalised(torch.nn.Module):
    """A network that takes RGB in [0, 1], as peers give it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network((images - self.mean) / self.std)


def peer(name: str) -> types.ModuleType:
    """The module `torchattacks` or `foolbox`; skips the test where it is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install --no-deps torchattacks foolbox eagerpy")
    if name == "foolbox":  # its model zoo, unused here, would fetch models with these
        for module, attribute in (("git", "Repo"), ("requests", "get")):
            if module not in sys.modules and importlib.util.find_spec(module) is None:
                sys.modules[module] = types.ModuleType(module)
                setattr(sys.modules[module], attribute, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def original(shared: Path, name: str) -> Normalised:
    """The network `cifar10_NAME.onnx` was exported from, as its authors' module."""
    folder = shared / "models/torch"
    spec = importlib.util.spec_from_file_location("cifar_resnet", folder / "cifar_resnet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = getattr(module, name)()
    network.load_state_dict(torch.load(folder / f"cifar10_{name}.pt", weights_only=True))
    return Normalised(network).eval()


def cifar10(shared: Path, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first test images, float32 [N, 3, 32, 32] in [0, 1], and labels int64 [N]."""
    with np.load(shared / "data/cifar10/test.npz") as archive:
        images, labels = archive["images"][:count], archive["labels"][:count]
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels.astype(np.int64))


def in_batches(attack: Callable[..., Any], images: torch.Tensor, labels: torch.Tensor, size: int = BATCH) -> Any:
    """attack(images, labels) of `size` images at a time, joined."""
    parts = zip(images.split(size), labels.split(size), strict=True)
    return torch.cat([attack(one.contiguous(), two) for one, two in parts])


def right(network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Whether the network is right about each image: bool [N]."""
    with torch.no_grad():
        return torch.cat([network(part.contiguous()) for part in images.split(BATCH)]).argmax(1) == labels

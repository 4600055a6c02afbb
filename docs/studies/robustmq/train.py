"""Quantization-aware training of the study's networks: `python train.py --shared ../shared --out nets lsq-w2a2 ...`.

From the float weights, SGD with Nesterov momentum, cosine to zero, crops and flips. The layers compute in bfloat16,
which takes two thirds of the time where the processor multiplies it; weights and their updates are float32, and so is
what is measured. Each network is saved when it is done: `NAME.pt` (weights) and `NAME.json` (recipe, test accuracy,
seconds). A name that is saved already is left alone.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from network import CALIBRATION, QuantResNet, from_float, read_state
from torch import Tensor

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
BATCH = 128
MOMENTUM = 0.9
DECAY = 1e-4  # of convolutions and the last layer, not of BatchNorm and steps


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: epochs over the 20,000 images, largest learning rate."""

    epochs: float
    rate: float


RECIPES = {2: Recipe(6, 0.02), 4: Recipe(2, 0.01), 6: Recipe(0.5, 0.004), 8: Recipe(1, 0.002)}
SHORTER = {2: Recipe(3, 0.02), 4: Recipe(1, 0.01)}  # DoReFa and PACT
CONTROL = "float-control"  # the recipe of W4A4, without quantizers


def parsed(name: str) -> tuple[str, int | None, Recipe]:
    """Method, bits and recipe of `lsq-w4a4` or `float-control`."""
    if name == CONTROL:
        return "", None, RECIPES[4]
    found = re.fullmatch(r"(dorefa|pact|lsq)-w([2468])a\2", name)
    if found is None:
        raise SystemExit(f"{name}: not METHOD-wBaB of dorefa, pact, lsq and 2, 4, 6, 8 bits, nor {CONTROL}")
    method, bits = found[1], int(found[2])
    return method, bits, RECIPES[bits] if method == "lsq" else SHORTER.get(bits, RECIPES[bits])


def load(path: Path) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N] of a .npz."""
    with np.load(path) as file:
        return torch.from_numpy(file["images"]).permute(0, 3, 1, 2), torch.from_numpy(file["labels"])


def normalised(images: Tensor) -> Tensor:
    """Uint8 [N, 3, H, W] as the network takes it: float32 by mean and deviation, channels last."""
    return ((images.float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def augmented(images: Tensor, draws: torch.Generator) -> Tensor:
    """Random crops of 4 pixels' black padding and flips, normalised.

    Black, as the float network was trained: padded with gray (0 after normalising) its batch statistics are others, and
    ten batches cost more accuracy than 4 bits do.
    """
    padded = normalised(F.pad(images, (4, 4, 4, 4)))
    rows, columns = torch.randint(0, 9, (2, len(images)), generator=draws).tolist()
    crops = [padded[i, :, r : r + 32, c : c + 32] for i, (r, c) in enumerate(zip(rows, columns, strict=True))]
    batch = torch.stack(crops)
    flips = torch.rand(len(images), generator=draws) < 0.5
    batch[flips] = batch[flips].flip(3)
    return batch.contiguous(memory_format=torch.channels_last)


def accuracy(network: QuantResNet, images: Tensor, labels: Tensor) -> float:
    """Share of right classes, in percent."""
    network.eval()
    with torch.no_grad():
        right = [
            network(normalised(images[i : i + 500])).argmax(1) == labels[i : i + 500]
            for i in range(0, len(images), 500)
        ]
    return 100 * float(torch.cat(right).float().mean())


def batches(images: int, steps: int, draws: torch.Generator) -> Iterator[Tensor]:
    """Indices of `steps` batches, each image once an epoch."""
    per_epoch = images // BATCH
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(images, generator=draws)[: per_epoch * BATCH].view(per_epoch, BATCH)
        yield order[step % per_epoch]


def train(network: QuantResNet, images: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> None:
    """Fine-tune in place."""
    draws = torch.Generator().manual_seed(seed)
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=recipe.rate, momentum=MOMENTUM, nesterov=True)
    steps = round(recipe.epochs * (len(images) // BATCH))
    began, losses = time.monotonic(), []
    network.train()
    for step, picked in enumerate(batches(len(images), steps, draws), start=1):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(augmented(images[picked], draws))
        loss = F.cross_entropy(logits.float(), labels[picked])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        network.settle()
        losses.append(loss.item())
        if step % 39 == 0 or step == steps:
            recent = sum(losses[-39:]) / len(losses[-39:])
            print(f"  step {step} of {steps}: loss {recent:.4f}, {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Train every network that is named and not yet there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = load(options.shared / "data/cifar10/train20k.npz")
    test = load(options.shared / "data/cifar10/test.npz")
    state = read_state(options.shared / "models/torch/cifar10_resnet20.pt")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        method, bits, recipe = parsed(name)
        target = options.out / f"{name}.pt"
        if target.exists():
            continue
        torch.manual_seed(options.seed)
        began = time.monotonic()
        network = from_float(state, 20, method, bits).to(memory_format=torch.channels_last)
        network.start(normalised(images[:CALIBRATION]))
        print(f"{name}: {recipe}", flush=True)
        train(network, images, labels, recipe, options.seed)
        facts = {"name": name, **asdict(recipe), "seed": options.seed, "top1": round(accuracy(network, *test), 2)}
        facts["seconds"] = round(time.monotonic() - began)
        torch.save(network.state_dict(), target)
        target.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
        print(f"{name}: {facts['top1']:.2f} % in {facts['seconds']} s", flush=True)


if __name__ == "__main__":
    main()

"""Train the demo network: `python -m harness.demo.train --out signs.onnx`.

Needs seatrial's extra `torch`.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from seatrial.exporters import deploy
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.module import TorchSource
from seatrial.harness.demo.classes import DEMO_CLASSES
from seatrial.harness.demo.dataset import IMAGES_PER_CLASS
from seatrial.harness.demo.network import SignNet
from seatrial.harness.demo.render import render_jpeg

Pixels = npt.NDArray[np.uint8]

SEED = 7
RESIZE_TO = 56
CONTRACT = InputContract(
    size=(48, 48), resize="short-side", resize_to=RESIZE_TO, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)
)
BATCH = 128
PEAK_RATE = 0.1


def load_split(split: str, per_class: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Render a split; uint8 [N, 56, 56, 3] after resize and a square centre crop, and class indices [N]."""
    images, labels = [], []
    for class_index in range(len(DEMO_CLASSES)):
        for index in range(per_class):
            images.append(_square(render_jpeg(split, class_index, index)))
            labels.append(class_index)
    return np.stack(images), np.array(labels, np.int64)


def _square(jpeg: bytes) -> Pixels:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    width, height = image.size
    short = min(width, height)
    size = (int(RESIZE_TO * width / short), int(RESIZE_TO * height / short))
    return _crop(np.asarray(image.resize(size, Image.Resampling.BILINEAR)), RESIZE_TO)


def _crop(image: Pixels, side: int) -> Pixels:
    top, left = (round((n - side) / 2.0) for n in image.shape[:2])
    return image[top : top + side, left : left + side]


def _augment(pixels: Pixels, rng: np.random.Generator) -> torch.Tensor:
    """Crop at a random offset, then change brightness and contrast a little; float32 [N, 3, 48, 48]."""
    side, room = CONTRACT.size[0], RESIZE_TO - CONTRACT.size[0]
    offsets = rng.integers(0, room + 1, (len(pixels), 2))
    crops = np.stack([p[y : y + side, x : x + side] for p, (y, x) in zip(pixels, offsets, strict=True)])
    inputs = torch.from_numpy(CONTRACT.normalise(crops))
    per_image = (len(pixels), 1, 1, 1)
    gain, shift = rng.uniform(0.75, 1.25, per_image), rng.uniform(-0.3, 0.3, per_image)
    return inputs * torch.from_numpy(gain).float() + torch.from_numpy(shift).float()


def _predict(network: SignNet, pixels: Pixels) -> npt.NDArray[np.int64]:
    network.eval()
    crops = np.stack([_crop(p, CONTRACT.size[0]) for p in pixels])
    with torch.no_grad():
        logits = network(torch.from_numpy(CONTRACT.normalise(crops)))
    return np.asarray(logits.argmax(dim=1).numpy(), np.int64)


def train(pixels: Pixels, labels: npt.NDArray[np.int64], epochs: int) -> SignNet:
    """Train on uint8 [N, 56, 56, 3] and class indices [N] with SGD and a one-cycle rate."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    network = SignNet(len(DEMO_CLASSES))
    optimizer = torch.optim.SGD(network.parameters(), PEAK_RATE, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = len(pixels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps * epochs)
    for epoch in range(epochs):
        started, total = time.monotonic(), 0.0
        network.train()
        order = rng.permutation(len(pixels))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            inputs = _augment(pixels[rows], rng).contiguous(memory_format=torch.channels_last)
            targets = torch.from_numpy(labels[rows])
            loss = functional.cross_entropy(network(inputs), targets, label_smoothing=0.05)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.monotonic() - started
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {seconds:.1f} s", flush=True)
    return network


def main() -> None:
    """Render, train, measure on the held-out test split and write the ONNX file."""
    parser = argparse.ArgumentParser(description="Train the demo network.")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--per-class", type=int, default=1000, help="training images per class")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = train(*load_split("train", options.per_class), options.epochs)
    pixels, labels = load_split("test", IMAGES_PER_CLASS["test"])
    predicted = _predict(network, pixels)
    for class_index, name in enumerate(DEMO_CLASSES):
        print(f"{name}: {np.mean(predicted[labels == class_index] == class_index):.2f}")
    print(f"test top-1: {np.mean(predicted == labels):.4f} on {len(labels)} images")
    options.out.write_bytes(deploy(TorchSource("signs", network, CONTRACT, DEMO_CLASSES)).onnx_bytes)


if __name__ == "__main__":
    main()

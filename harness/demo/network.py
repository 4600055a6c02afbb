"""The demo network: a small residual CNN of plain 3x3 convolutions, for 48x48 inputs."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

WIDTHS = (16, 32, 64, 64)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Halve the resolution with one convolution, then add a residual pair at the new width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Take channel counts."""
        super().__init__()
        self.down = _conv(inputs, outputs, stride=2)
        self.first = _conv(outputs, outputs)
        self.second = _conv(outputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [N, inputs, H, W] -> float32 [N, outputs, H/2, W/2]."""
        x = torch.relu(self.down(x))
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class SignNet(nn.Module):
    """float32 [N, 3, 48, 48] -> logits float32 [N, classes]; about 0.23 million parameters."""

    def __init__(self, classes: int) -> None:
        """Take the number of classes."""
        super().__init__()
        self.stem = _conv(3, WIDTHS[0])
        self.blocks = nn.Sequential(*(Block(inputs, outputs) for inputs, outputs in pairwise(WIDTHS)))
        self.head = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        features: torch.Tensor = self.blocks(torch.relu(self.stem(x)))
        logits: torch.Tensor = self.head(features.mean(dim=(2, 3)))
        return logits

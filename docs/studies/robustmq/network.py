"""The CIFAR ResNet of option-A shortcuts with a quantizer at every weight and at every layer's input.

The first and the last layer have 8 bits by LSQ whatever the method, so that methods differ in the layers between. The
shortcuts stay float, as in the papers: a quantizer belongs to a layer, not to a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from quantizers import Lsq, Quantizer, activation_quantizer, signed_range, unsigned_range, weight_quantizer
from torch import Tensor, nn

SMALLEST_GAMMA = 1e-3  # BatchNorm's scales stay above: folded into weights a negative one would turn the grid over
CALIBRATION = 512  # images that the quantizers start from


class QuantConv(nn.Module):
    """Convolution without bias and its BatchNorm; input [N, C, H, W] quantized, then the weights."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, weights: Quantizer | None, inputs: Quantizer | None):
        super().__init__()
        self.conv, self.norm, self.weights, self.inputs = conv, norm, weights, inputs
        self.watching = False

    def forward(self, x: Tensor) -> Tensor:
        if self.watching and self.inputs is not None and self.weights is not None:
            self.inputs.start(x)
            self.weights.start(self.conv.weight)
            return self.norm(self.conv(x))  # float: each quantizer starts from unquantized activations
        x = x if self.inputs is None else self.inputs(x)
        weight = self.conv.weight if self.weights is None else self.weights(self.conv.weight)
        return self.norm(F.conv2d(x, weight, None, self.conv.stride, self.conv.padding))


class QuantLinear(nn.Module):
    """The last layer: input [N, C], output [N, classes]."""

    def __init__(self, linear: nn.Linear, weights: Quantizer | None, inputs: Quantizer | None) -> None:
        super().__init__()
        self.linear, self.weights, self.inputs = linear, weights, inputs
        self.watching = False

    def forward(self, x: Tensor) -> Tensor:
        if self.watching and self.inputs is not None and self.weights is not None:
            self.inputs.start(x)
            self.weights.start(self.linear.weight)
            return self.linear(x)
        x = x if self.inputs is None else self.inputs(x)
        weight = self.linear.weight if self.weights is None else self.weights(self.linear.weight)
        return F.linear(x, weight, self.linear.bias)


class Block(nn.Module):
    """Two convolutions and a shortcut, which takes every second pixel and pads channels where the shape changes."""

    def __init__(self, first: QuantConv, second: QuantConv) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stride = first.conv.stride[0]
        self.pad = (first.conv.out_channels - first.conv.in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        if self.stride != 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


class QuantResNet(nn.Module):
    """Input [N, 3, 32, 32], ImageNet mean and deviation; output [N, 10] logits. `bits` None: float."""

    def __init__(self, depth: int, method: str = "", bits: int | None = None, classes: int = 10) -> None:
        super().__init__()

        def layer(channels: int, filters: int, stride: int = 1) -> QuantConv:
            conv = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
            if bits is None:
                return QuantConv(conv, nn.BatchNorm2d(filters), None, None)
            quantizers = weight_quantizer(method, bits), activation_quantizer(method, bits)
            return QuantConv(conv, nn.BatchNorm2d(filters), *quantizers)

        eight = bits is not None
        self.stem = layer(3, 16)
        if eight:
            self.stem.weights, self.stem.inputs = Lsq(signed_range(8)), Lsq(signed_range(8))
        blocks, channels = [], 16
        for stage, filters in enumerate((16, 32, 64)):
            for index in range((depth - 2) // 6):
                stride = 2 if stage and not index else 1
                blocks.append(Block(layer(channels, filters, stride), layer(filters, filters)))
                channels = filters
        self.blocks = nn.ModuleList(blocks)
        ends = (Lsq(signed_range(8)), Lsq(unsigned_range(8))) if eight else (None, None)
        self.last = QuantLinear(nn.Linear(64, classes), *ends)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean((2, 3)))

    def settle(self) -> None:
        """Keep steps and BatchNorm's scales positive, after each step of the optimiser."""
        for module in self.modules():
            if isinstance(module, Quantizer):
                module.settle()
            elif isinstance(module, nn.BatchNorm2d):
                with torch.no_grad():
                    module.weight.clamp_(min=SMALLEST_GAMMA)

    def start(self, images: Tensor) -> None:
        """Start every quantizer from what the float network gives for `images` [N, 3, 32, 32]."""
        watched = [module for module in self.modules() if isinstance(module, QuantConv | QuantLinear)]
        self.eval()
        for module in watched:
            module.watching = True
        with torch.no_grad():
            self(images)
        for module in watched:
            module.watching = False


def from_float(state: Mapping[str, Tensor], depth: int, method: str = "", bits: int | None = None) -> QuantResNet:
    """The network with the float weights of ../shared's cifar_resnet.py, BatchNorm's scales made positive."""
    network = QuantResNet(depth, method, bits)
    pairs = [(network.stem, "conv1", "bn1")]
    per_stage = (depth - 2) // 6
    for number, block in enumerate(network.blocks):
        stem = f"layer{number // per_stage + 1}.{number % per_stage}"
        pairs += [(block.first, f"{stem}.conv1", f"{stem}.bn1"), (block.second, f"{stem}.conv2", f"{stem}.bn2")]
    with torch.no_grad():
        for layer, conv, norm in pairs:
            sign = state[f"{norm}.weight"].sign() + (state[f"{norm}.weight"] == 0)
            layer.conv.weight.copy_(state[f"{conv}.weight"] * sign[:, None, None, None])
            layer.norm.weight.copy_(state[f"{norm}.weight"].abs())
            layer.norm.bias.copy_(state[f"{norm}.bias"])
            layer.norm.running_mean.copy_(state[f"{norm}.running_mean"] * sign)
            layer.norm.running_var.copy_(state[f"{norm}.running_var"])
    network.last.linear.load_state_dict({part: state[f"linear.{part}"] for part in ("weight", "bias")})
    network.settle()
    return network


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a file that may hold tensors alone."""
    return dict(torch.load(path, map_location="cpu", weights_only=True))

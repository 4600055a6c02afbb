"""A ResNet-20 of CIFAR-10 in 4 bits as Brevitas's users have it: its modules, calibrated, and its own Q/DQ export."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

# Of activations, cut off above: as in Brevitas's own PTQ examples, where the largest value would leave few steps.
PERCENTILE = 99.9
BITS, OUTER_BITS = 4, 8


def quantized(network: nn.Module, calibration: torch.Tensor) -> nn.Module:
    """The float network with its BatchNorm folded, 4-bit weights per channel and activations, 8 bits at both ends.

    network: of `peer_attacks.original`, without its normalisation. calibration: float32 [N, 3, 32, 32], normalised.
    """
    from brevitas.graph.calibrate import calibration_mode

    made = _Network(network).eval()
    with torch.no_grad(), calibration_mode(made):
        for part in calibration.split(64):
            made(part)
    made.requires_grad_(False)
    return made.eval()


def export(network: nn.Module, path: Path) -> None:
    """As Brevitas does it: QuantizeLinear, Clip, DequantizeLinear."""
    from brevitas.export import export_onnx_qcdq

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_onnx_qcdq(
            network,
            args=torch.zeros(2, 3, 32, 32),
            export_path=str(path),
            opset_version=17,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )


def _conv(conv: Any, norm: nn.Module, bits: int = BITS) -> nn.Module:
    from brevitas.nn import QuantConv2d
    from brevitas.quant import Int8WeightPerChannelFloatMSE

    folded = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
    made = QuantConv2d(
        conv.in_channels,
        conv.out_channels,
        3,
        conv.stride,
        1,
        bias=True,
        weight_quant=Int8WeightPerChannelFloatMSE,
        weight_bit_width=bits,
    )
    made.load_state_dict({"weight": folded.weight.detach(), "bias": folded.bias.detach()}, strict=False)
    return made


def _relu(bits: int = BITS) -> nn.Module:
    from brevitas.nn import QuantReLU
    from brevitas.quant import Uint8ActPerTensorFloat

    return QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits, high_percentile_q=PERCENTILE)


class _Block(nn.Module):
    def __init__(self, block: Any, bits: int) -> None:
        super().__init__()
        self.conv1, self.relu1 = _conv(block.conv1, block.bn1), _relu()
        self.conv2, self.relu2 = _conv(block.conv2, block.bn2), _relu(bits)
        self.downsample, self.pad = block.downsample, block.pad

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(self.relu1(self.conv1(x)))
        if self.downsample:
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return self.relu2(x + y)


class _Network(nn.Module):
    def __init__(self, network: Any) -> None:
        from brevitas.nn import QuantIdentity, QuantLinear
        from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloatMSE, Uint8ActPerTensorFloat

        super().__init__()
        self.image = QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=OUTER_BITS)
        self.conv1, self.relu = _conv(network.conv1, network.bn1, OUTER_BITS), _relu()
        blocks = [block for layer in (network.layer1, network.layer2, network.layer3) for block in layer]
        *inner, last = blocks
        self.blocks = nn.Sequential(*(_Block(block, BITS) for block in inner), _Block(last, OUTER_BITS))
        self.pooled = QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=OUTER_BITS)
        self.linear = QuantLinear(
            64, 10, bias=True, weight_quant=Int8WeightPerChannelFloatMSE, weight_bit_width=OUTER_BITS
        )
        self.linear.load_state_dict(network.linear.state_dict(), strict=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.relu(self.conv1(self.image(x))))
        return self.linear(self.pooled(x.mean((2, 3))))

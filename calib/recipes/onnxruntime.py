"""What ONNX Runtime's CPU provider executes."""

from __future__ import annotations

from seatrial.calib.recipes.recipe import Recipe

RECIPES = (
    Recipe(
        engine="onnxruntime",
        precision="int8",
        activation_type="uint8",
        weight_type="int8",
        symmetric_activations=False,
        symmetric_weights=True,
        sums_in_16_bits=True,
        per_channel=True,
        quantize_bias=True,
        quantize_outputs=True,
        no_kernel=("ConvTranspose",),
        reasons=(
            "uint8 activations with a free zero point: a Relu between Q/DQ pairs then folds into the quantized "
            "convolution; with symmetric int8 it does not, and about half of the convolutions of a ResNet run in float",
            "int8 symmetric weights: QLinearConv takes weights per channel only with a zero point of zero",
            "per channel: costs nothing at run time and keeps depthwise convolutions usable; a MatMul's weight of "
            "three or more axes has one scale, as QLinearMatMul takes no other",
            "ConvTranspose stays float: there is no integer kernel for it",
            "int32 bias: QLinearConv adds it inside its accumulator",
            "Q/DQ behind every operator that has an integer kernel: a convolution becomes QLinearConv only where its "
            "result is rounded, too; Gemm and MatMul do without, so that the scores stay float",
            "a Clip from 0 stays and folds into the convolution like a Relu: its zero point is 0, and the largest "
            "integer stands for no more than its bound; a Clip from elsewhere runs in float, between two Q/DQ pairs",
            "a layer that stays float reads through a Max of one operand, which changes nothing: right between Q/DQ "
            "nodes, ONNX Runtime rounds its weights itself, with one scale for all channels, and runs it in int8",
            "Softmax stays float: its integer kernel gives other values than the file says for most of a flat "
            "attention (0.4 dB at the scores); no other integer operator does, on any scales tried",
            "operators that only move values (MaxPool, Slice, Transpose, ...) give the scale that they are given: "
            "only then they move integers",
        ),
    ),
)

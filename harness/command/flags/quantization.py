"""How the files of quantized targets are made: QuantizeOptions."""

from __future__ import annotations

import argparse

from seatrial.calib.options import INT4_METHODS, QUANTIZERS, RANGES, RESTS, QuantizeOptions
from seatrial.harness.command.flags.parser import Given, replaced

_AS_GIVEN = (
    "quantizer",
    "ranges",
    "percentile",
    "equalize",
    "bias_correction",
    "keep_float_below_db",
    "int4_method",
    "portable",
    "rest",
)


def add(parser: argparse.ArgumentParser) -> None:
    """How quantized files are made."""
    group = parser.add_argument_group("quantization", "how the files of quantized targets are made")
    group.add_argument("--quantizer", metavar="NAME", help=f"{', '.join(QUANTIZERS)} (default: seatrial)")
    group.add_argument(
        "--ranges", metavar="NAME", help=f"of activations, from histograms: {', '.join(RANGES)} (default: minmax)"
    )
    group.add_argument("--percentile", type=float, metavar="P", help="for --ranges percentile (default: 99.99)")
    group.add_argument("--equalize", action="store_true", help="cross-layer equalisation of weights before")
    group.add_argument("--bias-correction", action="store_true", help="correct the mean error of outputs afterwards")
    group.add_argument("--keep-float", action="append", metavar="NODE", help="repeatable; a node that stays float")
    group.add_argument(
        "--keep-float-below-db",
        type=float,
        metavar="DB",
        help="nodes whose quantization alone leaves less signal to noise than this stay float",
    )
    group.add_argument(
        "--portable", action="store_true", help="int8 files for all processors (default: for that of this machine)"
    )
    group.add_argument(
        "--rest",
        metavar="NAME",
        help=f"what is not quantized is written in: {', '.join(RESTS)} (default: fp16 for TensorRT, else fp32)",
    )
    group.add_argument("--int4-method", metavar="NAME", help=f"{', '.join(INT4_METHODS)} (default: gptq)")


def take(given: Given, base: QuantizeOptions) -> QuantizeOptions:
    """The part; further nodes to keep in float go beside those that are there."""
    if "keep_float" in given:
        given["keep_float"] = tuple(dict.fromkeys((*base.keep_float, *given["keep_float"])))
    return replaced(base, given, {name: name for name in (*_AS_GIVEN, "keep_float")})

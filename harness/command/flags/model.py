"""--model, --weights, --output, --variant, --classes and the input contract's: a ModelSource."""

from __future__ import annotations

import argparse
from pathlib import Path

from seatrial.harness.command.flags import contract
from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.variants import with_variants

_FIELDS = ("model", "weights", "output", "float_model", "variants", "classes", "contract")


def add(
    group: argparse._ArgumentGroup, *, float_model: bool = False, variants: bool = False, one_variant: bool = False
) -> None:
    """Those of the file; the contract's have a group of their own. float_model: the command compares with it. variants:
    it takes other files beside the model. one_variant: it looks at one of them in place of the model.
    """
    add_model(group)
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="state dict for the factory's module: .pt, .pth or .safetensors"
    )
    group.add_argument("--output", metavar="NAME", help="which of several outputs holds the logits")
    if float_model:
        group.add_argument(
            "--float-model",
            metavar="FILE",
            help="the float ONNX file that --model was quantized from (default: --model without Q/DQ nodes)",
        )
    if variants:
        group.add_argument(
            "--variant",
            action="append",
            metavar="NAME=FILE",
            help="repeatable; another file of the same task, tested beside --model on the same images",
        )
    if one_variant:
        group.add_argument(
            "--variant",
            metavar="NAME[=FILE]",
            help="the file to look at in place of --model: a variant of --from, or NAME=FILE",
        )
    group.add_argument(
        "--classes", type=Path, metavar="FILE", help="class names in order: index,synset,name CSV or one a line"
    )


def add_model(group: argparse._ArgumentGroup) -> None:
    """--model alone."""
    group.add_argument(
        "--model",
        metavar="M",
        help="an ONNX file, file.py:factory, a .pt2 file, timm:NAME or torchvision:NAME (default: the demo network)",
    )


def take(given: Given, base: ModelSource) -> ModelSource:
    """The part; further variants go beside those that are there."""
    if "variant" in given:
        found = given.pop("variant")
        given["variants"] = with_variants(base.variants, [found] if isinstance(found, str) else found)
    given["contract"] = contract.take(given, base.contract)
    return replaced(base, given, {name: name for name in _FIELDS})

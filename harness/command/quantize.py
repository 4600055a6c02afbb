"""`bench.py quantize`: its flags, what they mean as a QuantizeSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.engines.precision import check_precision, precision_of_bits
from seatrial.errors import EXIT_PASSED, UsageError
from seatrial.harness.command.groups import (
    Parser,
    add_classes_flag,
    add_contract_flags,
    add_model_flags,
    add_quantization_flags,
    take_contract,
    take_quantization,
)
from seatrial.harness.progress import Progress
from seatrial.harness.quantize.quantize import QuantizeSpec, quantize
from seatrial.harness.report.quantize import print_quantized

_DESCRIPTION = """Makes the file that an engine executes at a precision: calibrated on real images, in the form that the
engine natively runs, input contract inside. Where the engine is installed it is built, and what it really runs is
shown. The engine need not be here: a file for TensorRT can be made on any machine."""

_EXAMPLES = """examples:
  bench.py quantize --model m.onnx --preset imagenet --calib calib/ --engine onnxruntime --bits 8 --out m-int8.onnx
  bench.py quantize --model m.onnx --preset imagenet --engine tensorrt --bits 16 --out m-fp16.onnx
  bench.py quantize --model m.onnx --preset imagenet --calib calib/ --bits 8 --ranges entropy --out m-int8.onnx

Exit status: 0 written, 2 usage or bad input, 3 no recipe, or a library is missing."""


def make_parser() -> Parser:
    """The parser of `bench.py quantize`."""
    parser = Parser("quantize", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model and data")
    add_model_flags(model)
    model.add_argument("--calib", metavar="PATH", help="calibration images: a folder, .npz, or demo")
    add_classes_flag(model)
    model.add_argument("--calib-limit", type=int, metavar="N", help="the first N of the seeded, class-balanced order")
    model.add_argument("--seed", type=int, metavar="N", help="of order and degradation (default: 0)")
    model.add_argument("--workers", type=int, metavar="N", help="threads that decode")
    model.add_argument(
        "--float-view",
        action="store_true",
        help="of a quantized --model, begin with its float32 form: another engine's",
    )
    add_contract_flags(parser)
    target = parser.add_argument_group("target")
    target.add_argument("--engine", metavar="NAME", help="whose form (default: onnxruntime)")
    target.add_argument("--bits", type=int, metavar="N", help="32, 16, 8 or 4 (default: 8)")
    target.add_argument("--precision", metavar="NAME", help="in place of --bits, by name")
    target.add_argument("--out", type=Path, metavar="FILE", help="the .onnx file to write")
    add_quantization_flags(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Quantizes, writes, prints; the command's exit status."""
    given = dict(flags)
    if "out" not in given:
        raise UsageError("Where to? Give --out FILE.onnx.")
    if "bits" in given and "precision" in given:
        raise UsageError("--bits and --precision say the same thing; give one.")
    precision = check_precision(given.pop("precision", None) or precision_of_bits(given.pop("bits", 8)))
    for name in ("calib_limit", "workers"):
        if given.get(name, 1) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {given[name]}; it must be at least 1.")
    spec = QuantizeSpec(
        engine=given.pop("engine", "onnxruntime"),
        precision=precision,
        contract=take_contract(given),
        quantization=take_quantization(given),
        **given,
    )
    print_quantized(quantize(spec, progress), console)
    return EXIT_PASSED

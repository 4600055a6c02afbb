"""`bench.py quantize`: its flags, what they mean as a QuantizeSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_PASSED, UsageError
from seatrial.harness.command.flags import (
    base,
    boards,
    calibration,
    contract,
    images,
    model,
    quantization,
    targets,
    work,
)
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.quantize.quantize import quantize
from seatrial.harness.report.quantize import print_quantized
from seatrial.harness.spec.quantize import QuantizeSpec
from seatrial.harness.spec.run import RunSpec

_DESCRIPTION = """Makes the file that an engine executes at a precision: calibrated on real images, in the form that the
engine natively runs, input contract inside. Where the engine is installed it is built, and what it really runs is
shown. The engine need not be here: a file for TensorRT can be made on any machine."""

_EXAMPLES = """examples:
  bench.py quantize --model m.onnx --preset imagenet --calib calib/ --engine onnxruntime --bits 8 --out m-int8.onnx
  bench.py quantize --model m.onnx --preset imagenet --engine tensorrt --bits 16 --out m-fp16.onnx
  bench.py quantize --model m.onnx --preset imagenet --calib calib/ --bits 8 --ranges entropy --out m-int8.onnx

Exit status: 0 written, 2 usage or bad input, 3 no recipe, or a library is missing."""


def make_parser() -> Parser:
    """The parser of `quantize`."""
    parser = Parser("quantize", _DESCRIPTION, _EXAMPLES)
    base.add(parser)
    group = parser.add_argument_group("model and images")
    model.add(group)
    calibration.add(group)
    images.add_seed(group)
    work.add(group)
    group.add_argument(
        "--float-view",
        action="store_true",
        help="of a quantized --model, begin with its float32 form: another engine's",
    )
    contract.add(parser)
    target = parser.add_argument_group("target")
    targets.add_one(target)
    target.add_argument("--out", type=Path, metavar="FILE", help="the .onnx file to write")
    quantization.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> QuantizeSpec:
    """Parsed flags -> QuantizeSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    if "out" not in given:
        raise UsageError("Where to? Give --out FILE.onnx.")
    known = base.take(given) or RunSpec()
    target = targets.take_one(given, known.targets)
    return QuantizeSpec(
        source=model.take(given, known.source),
        calibration=calibration.take(given, known.calibration),
        quantization=quantization.take(given, known.quantization),
        engine=target.engine,
        precision=target.precision,
        board=target.board,
        **boards.take(given, known, [target]),
        work=work.take(given, known.work),
        **{"seed": known.seed, **given},
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Quantizes, writes, prints; the command's exit status."""
    print_quantized(quantize(spec_of(flags), progress), console)
    return EXIT_PASSED

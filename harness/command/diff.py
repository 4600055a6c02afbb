"""`bench.py diff`: its flags, what they mean as a DiffSpec, and what it prints and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.engines import ENGINES
from seatrial.engines.precision import check_precision, precision_of_bits
from seatrial.engines.registry import default_device
from seatrial.errors import EXIT_PASSED, UsageError
from seatrial.files import write_json, write_text
from seatrial.harness.command.groups import (
    Parser,
    add_builder_flags,
    add_classes_flag,
    add_contract_flags,
    add_limit_flags,
    add_model_flags,
    add_quantization_flags,
    take_builder,
    take_contract,
    take_limits,
    take_quantization,
)
from seatrial.harness.command.targets import parse_target
from seatrial.harness.diff import DEFAULT_LIMIT, DiffSpec, diff
from seatrial.harness.progress import Progress
from seatrial.harness.report.diff import print_diff, render_diff
from seatrial.harness.spec.diff import VALUES
from seatrial.harness.spec.run import RunSpec, TargetSpec

_DESCRIPTION = """Compares a built engine with the reference, layer by layer, on real images: where they part first,
which layers add the error and which only pass it on, which values saturate, which images get another label. With
--same-file the same quantized file is compared on two engines: what is left is the runtime's share."""

_EXAMPLES = """examples:
  bench.py diff --model m.onnx --preset imagenet --data val/ --calib calib/ --engine onnxruntime --bits 8
  bench.py diff --model m.onnx --preset imagenet --data val/ --calib calib/ --engine openvino --bits 8 --same-file
  bench.py diff --model int8.onnx --float-model m.onnx --data val/ --engine openvino --bits 8     your own file
  bench.py diff --model m.onnx --preset imagenet --data val/ --engine pytorch --bits 32 --against openvino

It answers a question and gates nothing. Exit status: 0 answered, 2 usage or bad input, 3 target unavailable or build
failed."""


def make_parser() -> Parser:
    """The parser of `bench.py diff`."""
    parser = Parser("diff", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model and data")
    add_model_flags(model)
    model.add_argument("--float-model", metavar="FILE", help="the float ONNX file that --model was quantized from")
    model.add_argument("--data", metavar="PATH", help="folder of class folders, .npz (images, labels), or demo")
    model.add_argument("--calib", metavar="PATH", help="likewise, to calibrate on; no labels needed")
    add_classes_flag(model)
    model.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"the first N images of the seeded, class-balanced order (default: {DEFAULT_LIMIT})",
    )
    model.add_argument("--calib-limit", type=int, metavar="N", help="likewise for calibration images; all by default")
    model.add_argument("--seed", type=int, metavar="N", help="of the orders (default: 0)")
    model.add_argument("--workers", type=int, metavar="N", help="threads that decode")
    add_contract_flags(parser)

    target = parser.add_argument_group("target")
    target.add_argument("--engine", metavar="NAME", help=f"{', '.join(ENGINES)} (default: onnxruntime)")
    target.add_argument("--bits", type=int, metavar="N", help="32, 16, 8 or 4 (default: 8)")
    target.add_argument("--precision", metavar="NAME", help="in place of --bits, by name")
    target.add_argument("--device", metavar="NAME", help="default: the engine's first")
    target.add_argument("--threads", type=int, metavar="N", help="threads of one inference call (default: 1)")
    target.add_argument(
        "--optimization",
        choices=("disable", "basic", "extended", "all"),
        help="graph optimisation level (default: all)",
    )
    asked = parser.add_argument_group("comparison")
    asked.add_argument(
        "--against", metavar="TARGET", help="ENGINE[/PRECISION][@DEVICE] (default: fp32 on the reference engine)"
    )
    asked.add_argument(
        "--same-file",
        action="store_true",
        help="the target's file on the other engine, too (default: ONNX Runtime without graph optimisation)",
    )
    asked.add_argument(
        "--threshold-db",
        type=float,
        metavar="DB",
        help="signal to noise below which a layer has parted (default: fp32 60, fp16 50, bf16 30, quantized 20)",
    )
    asked.add_argument(
        "--values",
        choices=VALUES,
        help="of the target: all (default), or rounded: only at its Q/DQ nodes, between which a runtime keeps its "
        "fused kernels (default with --same-file)",
    )
    asked.add_argument("--top", type=int, metavar="K", help="layers in each table (default: 10)")
    asked.add_argument("--json", type=Path, metavar="FILE", help="write all layers as JSON")
    asked.add_argument("--out", type=Path, metavar="FILE", help="write the report: .md or .html")
    add_builder_flags(parser)
    add_quantization_flags(parser)
    add_limit_flags(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> DiffSpec:
    """Parsed flags -> DiffSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    if "bits" in given and "precision" in given:
        raise UsageError("--bits and --precision say the same thing; give one.")
    engine = ENGINES.canonical(given.pop("engine", "onnxruntime"))
    precision = check_precision(given.pop("precision", None) or precision_of_bits(given.pop("bits", 8)))
    target = TargetSpec(engine, precision, given.pop("device", default_device(engine)))
    same_file = given.pop("same_file", False)
    against = given.pop("against", None)
    asked = {name: given.pop(name) for name in ("float_model", "threshold_db", "top", "values") if name in given}
    contract, builder, limits = take_contract(given), take_builder(given), take_limits(given)
    run = RunSpec(
        contract=contract,
        targets=(target,),
        quantization=take_quantization(given),
        builder=builder,
        limits=limits,
        **{"limit": DEFAULT_LIMIT, **given},
    )
    if same_file and against is not None and "/" in against:
        raise UsageError("--same-file has one precision, the target's: give --against an engine alone.")
    other = None if against is None else parse_target(against, "fp32")
    return DiffSpec(run=run, against=other, same_file=same_file, **asked)


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Compares, prints and writes the answer; the command's exit status."""
    given = dict(flags)
    json_file, out = given.pop("json", None), given.pop("out", None)
    if out is not None and out.suffix.lower() not in (".md", ".html"):
        raise UsageError(f"--out {out} is neither a .md nor a .html file.")
    result = diff(spec_of(given), progress)
    if json_file is not None:
        write_json(json_file, result.to_dict())
    if out is not None:
        write_text(out, render_diff(result, html=out.suffix.lower() == ".html"))
    print_diff(result, console)
    return EXIT_PASSED

"""`bench.py diff`: its flags, what they mean as a DiffSpec, and what it prints and writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.engines import ENGINES
from seatrial.errors import EXIT_PASSED, UsageError
from seatrial.files import write_json, write_text
from seatrial.harness.command.flags import (
    base,
    boards,
    builder,
    calibration,
    contract,
    images,
    json_file,
    limits,
    model,
    quantization,
    targets,
    work,
)
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.diff import DEFAULT_LIMIT, DiffSpec, diff
from seatrial.harness.progress import Progress
from seatrial.harness.report.diff import print_diff, render_diff
from seatrial.harness.spec.diff import REMEDY_LIMIT, VALUES
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.variants import named_variant

_DESCRIPTION = """Compares a built engine with the reference, layer by layer, on real images: where they part first,
which layers add the error and which only pass it on, which values saturate, which images get another label. With
--same-file the same quantized file is compared on two engines: what is left is the runtime's share."""

_EXAMPLES = """examples:
  bench.py diff --model m.onnx --preset imagenet --data val/ --calib calib/ --engine onnxruntime --bits 8
  bench.py diff --model m.onnx --preset imagenet --data val/ --calib calib/ --engine openvino --bits 8 --same-file
  bench.py diff --model int8.onnx --float-model m.onnx --data val/ --engine openvino --bits 8     your own file
  bench.py diff --model m.onnx --preset imagenet --data val/ --engine pytorch --bits 32 --against openvino
  bench.py diff --from runs/m --variant vendor                                          a variant of that run
  bench.py diff --model m.onnx --preset imagenet --data val/ --calib calib/ --bits 8 --remedy     what to keep in float

It answers a question and gates nothing. Exit status: 0 answered, 2 usage or bad input, 3 target unavailable or build
failed."""


def make_parser() -> Parser:
    """The parser of `diff`."""
    parser = Parser("diff", _DESCRIPTION, _EXAMPLES)
    base.add(parser)
    group = parser.add_argument_group("model and data")
    model.add(group, float_model=True, one_variant=True)
    images.add(group, limit=DEFAULT_LIMIT)
    images.add_unlabelled(group)
    calibration.add(group)
    work.add(group)
    contract.add(parser)
    target = parser.add_argument_group("target")
    targets.add_one(target)
    target.add_argument("--device", metavar="NAME", help="default: the engine's first")
    targets.add_building(target)
    asked = parser.add_argument_group("comparison")
    asked.add_argument(
        "--against",
        metavar="TARGET",
        help="ENGINE[/PRECISION][@[BOARD/]DEVICE] (default: fp32 on the reference engine)",
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
    asked.add_argument(
        "--remedy",
        action="store_true",
        help="search for the fewest layers that restore accuracy when they stay in float, and what they cost",
    )
    asked.add_argument(
        "--remedy-limit", type=int, metavar="N", help=f"images whose answers decide that (default: {REMEDY_LIMIT})"
    )
    asked.add_argument("--top", type=int, metavar="K", help="layers in each table (default: 10)")
    json_file.add(asked)
    asked.add_argument("--out", type=Path, metavar="FILE", help="write the report: .md or .html")
    builder.add(parser)
    quantization.add(parser)
    limits.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> DiffSpec:
    """Parsed flags -> DiffSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    known = base.take(given) or RunSpec()
    chosen = targets.take_one(given, known.targets)
    target = dataclasses.replace(chosen, engine=ENGINES.canonical(chosen.engine))
    same_file, against = given.pop("same_file", False), given.pop("against", None)
    own = ("threshold_db", "top", "values", "remedy", "remedy_limit")
    asked = {name: given.pop(name) for name in own if name in given}
    other = None if against is None else targets.parse_target(against, "fp32")
    source = model.take(given, known.source)
    looked_at = tuple(one for one in source.variants if named_variant(one)[0] == target.variant)
    if target.variant is not None and not looked_at:
        raise UsageError(f"There is no variant {target.variant}. Give its file: --variant {target.variant}=FILE.")
    run = RunSpec(
        source=dataclasses.replace(source, variants=looked_at),
        images=images.take(given, dataclasses.replace(known.images, limit=DEFAULT_LIMIT)),
        calibration=calibration.take(given, known.calibration),
        quantization=quantization.take(given, known.quantization),
        targets=dataclasses.replace(targets.take(given, known.targets), asked=(target,)),
        **boards.take(given, known, [target] if other is None else [target, other]),
        builder=builder.take(given, known.builder),
        limits=limits.take(given, known.limits),
        work=work.take(given, known.work),
        **{"seed": known.seed, **given},
    )
    if same_file and against is not None and "/" in against:
        raise UsageError("--same-file has one precision, the target's: give --against an engine alone.")
    return DiffSpec(run=run, against=other, same_file=same_file, **asked)


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Compares, prints and writes the answer; the command's exit status."""
    given = dict(flags)
    json_path, out = json_file.take(given), given.pop("out", None)
    if out is not None and out.suffix.lower() not in (".md", ".html"):
        raise UsageError(f"--out {out} is neither a .md nor a .html file.")
    result = diff(spec_of(given), progress)
    if json_path is not None:
        write_json(json_path, result.to_dict())
    if out is not None:
        write_text(out, render_diff(result, html=out.suffix.lower() == ".html"))
    print_diff(result, console)
    return EXIT_PASSED

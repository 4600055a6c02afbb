"""`bench.py build`: its flags, what they mean as a BuildSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.engines.places import LOCAL
from seatrial.errors import EXIT_PASSED, EXIT_UNAVAILABLE
from seatrial.harness.build.build import build
from seatrial.harness.command.flags import (
    base,
    boards,
    builder,
    calibration,
    contract,
    images,
    limits,
    model,
    quantization,
    targets,
    work,
)
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.report.build import print_built
from seatrial.harness.spec.build import BuildSpec
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.typeset.terminal import say

_DESCRIPTION = """Quantizes and builds, and stops there: does it build, how long does that take, how large is it? With
tensorrt-rtx this needs no GPU: --compute-capability names the one to build for."""

_EXAMPLES = """examples:
  bench.py build --model m.onnx --preset imagenet --calib calib/ --engine tensorrt-rtx --bits 8 --compute-capability 8.9
  bench.py build --model m.onnx --preset imagenet --engine openvino --bits 16 --out m.blob
  bench.py --build-only ...                        the same for all targets of a run's command

Exit status: 0 all built, 2 usage or bad input, 3 a target is unavailable or its build failed."""


def make_parser() -> Parser:
    """The parser of `build`."""
    parser = Parser("build", _DESCRIPTION, _EXAMPLES)
    base.add(parser)
    group = parser.add_argument_group("model and images")
    model.add(group, variants=True)
    calibration.add(group)
    images.add_seed(group)
    work.add(group)
    contract.add(parser)
    target = targets.add(parser)
    targets.add_compute_capability(target)
    target.add_argument("--out", type=Path, metavar="FILE", help="where the built engine is written")
    builder.add(parser)
    quantization.add(parser)
    limits.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any], console: Console) -> BuildSpec:
    """Parsed flags -> BuildSpec; UsageError for what cannot be meant. With --out, what is named is built alone."""
    given = dict(flags)
    begun = base.take(given)
    known = begun or RunSpec()
    if given.get("engine") and not given.get("board"):
        given["engine"] = [_present(name, console) for name in given["engine"]]
    asked = targets.take(given, known.targets, extends=begun is not None and "out" not in given)
    return BuildSpec(
        source=model.take(given, known.source),
        calibration=calibration.take(given, known.calibration),
        quantization=quantization.take(given, known.quantization),
        targets=asked,
        **boards.take(given, known, asked.asked),
        builder=builder.take(given, known.builder),
        limits=limits.take(given, known.limits),
        work=work.take(given, known.work),
        **{"seed": known.seed, **given},
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Builds, writes, prints; the command's exit status."""
    results = build(spec_of(flags, console), progress)
    print_built(results, console)
    return EXIT_UNAVAILABLE if any(result.error is not None for result in results) else EXIT_PASSED


def _present(engine: str, console: Console) -> str:
    # `trt` stands for the family. Nothing runs here, so its other member may build; never unsaid.
    if engine == "trt" and not LOCAL.engine("tensorrt").installed and LOCAL.engine("tensorrt-rtx").installed:
        say(console, "TensorRT is not installed; tensorrt-rtx is, and builds in its place.")
        return "tensorrt-rtx"
    return engine

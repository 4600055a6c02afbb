"""`bench.py build`: its flags, what they mean as a BuildSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.engines import ENGINES
from seatrial.errors import EXIT_PASSED, EXIT_UNAVAILABLE, UsageError
from seatrial.harness.build.build import BuildSpec, build
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
from seatrial.harness.command.targets import add_target_flags, take_targets
from seatrial.harness.progress import Progress
from seatrial.harness.report.build import print_built

_DESCRIPTION = """Quantizes and builds, and stops there: does it build, how long does that take, how large is it? With
tensorrt-rtx this needs no GPU: --compute-capability names the one to build for."""

_EXAMPLES = """examples:
  bench.py build --model m.onnx --preset imagenet --calib calib/ --engine tensorrt-rtx --bits 8 --compute-capability 8.9
  bench.py build --model m.onnx --preset imagenet --engine openvino --bits 16 --out m.blob
  bench.py --build-only ...                        the same for all targets of a run's command

Exit status: 0 all built, 2 usage or bad input, 3 a target is unavailable or its build failed."""


def make_parser() -> Parser:
    """The parser of `bench.py build`."""
    parser = Parser("build", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model and data")
    add_model_flags(model)
    model.add_argument("--calib", metavar="PATH", help="calibration images: a folder, .npz, or demo")
    add_classes_flag(model)
    model.add_argument("--calib-limit", type=int, metavar="N", help="the first N of the seeded, class-balanced order")
    model.add_argument("--seed", type=int, metavar="N", help="of order and degradation (default: 0)")
    model.add_argument("--workers", type=int, metavar="N", help="threads that decode")
    add_contract_flags(parser)
    target = add_target_flags(parser)
    add_compute_capability_flag(target)
    target.add_argument("--out", type=Path, metavar="FILE", help="where the built engine is written")
    add_builder_flags(parser)
    add_quantization_flags(parser)
    add_limit_flags(parser)
    return parser


def add_compute_capability_flag(group: Any) -> None:
    """--compute-capability."""
    group.add_argument(
        "--compute-capability", metavar="X.Y", help="the GPU to build for, as in 8.9 (default: this one's)"
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Builds, writes, prints; the command's exit status."""
    given = dict(flags)
    if given.get("engine"):
        given["engine"] = [_present(name, console) for name in given["engine"]]
    for name in ("calib_limit", "workers", "threads"):
        if given.get(name, 1) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {given[name]}; it must be at least 1.")
    spec = BuildSpec(
        targets=take_targets(given),
        contract=take_contract(given),
        quantization=take_quantization(given),
        builder=take_builder(given),
        limits=take_limits(given),
        **given,
    )
    results = build(spec, progress)
    print_built(results, console)
    return EXIT_UNAVAILABLE if any(result.error is not None for result in results) else EXIT_PASSED


def _present(engine: str, console: Console) -> str:
    # `trt` stands for the family. Nothing runs here, so its other member may build; never unsaid.
    if engine == "trt" and not ENGINES["tensorrt"].is_installed() and ENGINES["tensorrt-rtx"].is_installed():
        console.print("TensorRT is not installed; tensorrt-rtx is, and builds in its place.", highlight=False)
        return "tensorrt-rtx"
    return engine

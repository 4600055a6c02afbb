"""`bench.py run`: its flags, what they mean as a RunSpec, and the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, EXIT_UNAVAILABLE, UsageError
from seatrial.harness.command import build
from seatrial.harness.command.build import add_compute_capability_flag
from seatrial.harness.command.groups import (
    Parser,
    add_attack_flags,
    add_builder_flags,
    add_classes_flag,
    add_contract_flags,
    add_limit_flags,
    add_model_flags,
    add_quantization_flags,
    take_attacks,
    take_builder,
    take_contract,
    take_limits,
    take_quantization,
)
from seatrial.harness.command.targets import add_target_flags, take_targets
from seatrial.harness.conditions import SUITES
from seatrial.harness.progress import Progress
from seatrial.harness.report.console import print_summary
from seatrial.harness.run.run import run
from seatrial.harness.spec.run import RunSpec

_DESCRIPTION = """Tests the model that ships: quantizes it, builds the engine, and asks the built engine how accurate,
how robust and how fast it is, and at which precision it really runs. Without flags it tests the built-in demo."""

_EXAMPLES = """commands:
  run        the default: what stands here
  export     PyTorch or ONNX -> one ONNX file that carries its input contract, compared with its source
  contract   finds out on labelled images how a model wants to be fed
  quantize   the file that an engine executes at a precision, and nothing more
  build      the built engine as a file, also for another machine's GPU
  diff       where an engine and the reference part, layer by layer
  doctor     which engines, precisions and devices this machine has, and how to get the others
  bench.py COMMAND --help tells more.

examples:
  bench.py                                        the demo: renders its photographs, INT8 against fp32
  bench.py --model m.onnx --preset imagenet --data val/ --calib calib/ --engine onnxruntime --bits 8 --out runs/m
  bench.py --model m.onnx --size 64 --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5 --data test/ --calib calib/ --suite quick
  bench.py --config m.yaml --limit 500            flags override the file

The same command continues an interrupted run. Exit status: 0 passed, 1 gate failed, 2 usage or bad input,
3 target unavailable or build failed, 130 interrupted."""


def make_parser() -> Parser:
    """The parser of `bench.py run`."""
    parser = Parser("[run]", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model and data")
    add_model_flags(model)
    model.add_argument(
        "--data",
        metavar="PATH",
        help="test images: folder of class folders, .npz (images, labels), an ImageNet-C or CIFAR-10-C folder, or demo",
    )
    model.add_argument("--calib", metavar="PATH", help="likewise, to calibrate on; no labels needed")
    add_classes_flag(model)
    model.add_argument("--limit", type=int, metavar="N", help="the first N images of the seeded, class-balanced order")
    model.add_argument("--calib-limit", type=int, metavar="N", help="likewise for calibration images")
    model.add_argument("--seed", type=int, metavar="N", help="of order, noise and bootstrap (default: 0)")
    add_contract_flags(parser)

    target = add_target_flags(parser, "fp32 on the reference engine is always added, as the pair of comparisons")
    target.add_argument(
        "--rebuilds", type=int, metavar="N", help="independent builds of each target, for their spread (default: 1)"
    )
    target.add_argument(
        "--min-realized",
        type=float,
        metavar="SHARE",
        help="of the arithmetic at the requested precision, 0 to 1; less fails the run (default: 0.9, which warns)",
    )
    target.add_argument("--build-only", action="store_true", help="build the targets and stop; as `bench.py build`")
    add_compute_capability_flag(target)
    target.add_argument("--allow-fallback", action="store_true", help="let less than that pass, and say so")
    add_builder_flags(parser)
    add_quantization_flags(parser)

    asked = parser.add_argument_group("conditions")
    asked.add_argument("--suite", metavar="NAME", help=f"{', '.join(SUITES)} (default: standard)")
    asked.add_argument("--conditions", action="append", metavar="GLOB", help="repeatable; instead: 'corruption/*@3'")
    asked.add_argument("--severity", action="append", type=int, metavar="N", help="repeatable; only these, 1 to 5")

    asked.add_argument(
        "--corruption-scale", type=int, metavar="PX", help="severity constants for 224, 64 or 32 px images"
    )
    asked.add_argument(
        "--frost-textures", type=Path, metavar="DIR", help="ImageNet-C's frost photographs (frost1.png, ...)"
    )

    add_attack_flags(parser)

    work = parser.add_argument_group("run")
    work.add_argument("--out", type=Path, metavar="DIR", help="run directory (default: runs/MODEL-HASH)")
    work.add_argument("--workers", type=int, metavar="N", help="threads that decode and corrupt")
    work.add_argument("--batch-size", type=int, metavar="N", help="images a call; changes no result (default: 32)")
    add_limit_flags(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> RunSpec:
    """Parsed flags -> RunSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    contract = take_contract(given)
    targets = take_targets(given)
    builder, limits = take_builder(given), take_limits(given)
    quantization, attacks = take_quantization(given), take_attacks(given)
    given["conditions"] = tuple(given.pop("conditions", ()))
    given["severities"] = tuple(given.pop("severity", ()))
    return RunSpec(
        contract=contract,
        targets=targets,
        quantization=quantization,
        builder=builder,
        limits=limits,
        attacks=attacks,
        **given,
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Runs and prints the answer; the command's exit status."""
    if flags.get("build_only"):
        known = {action.dest for action in build.make_parser()._actions}
        return build.execute({name: value for name, value in flags.items() if name in known}, progress, console)
    if "compute_capability" in flags:
        raise UsageError("--compute-capability is for --build-only: what is built for another GPU cannot run here.")
    summary, directory = run(spec_of(flags), progress)
    print_summary(summary, directory, console)
    if summary["failed"]:
        return EXIT_UNAVAILABLE
    return EXIT_GATE_FAILED if summary["gate"]["failed"] else EXIT_PASSED

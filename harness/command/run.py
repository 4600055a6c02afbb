"""`bench.py run`: its flags, what they mean as a RunSpec, and the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_PASSED, EXIT_UNAVAILABLE, UsageError
from seatrial.harness.command import listed
from seatrial.harness.command.flags import (
    attacks,
    base,
    boards,
    builder,
    calibration,
    conditions,
    contract,
    gate,
    images,
    limits,
    model,
    output,
    quantization,
    targets,
    timing,
    work,
)
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.shard import shard_of
from seatrial.harness.typeset.terminal import put

_DESCRIPTION = """Tests the model that ships: quantizes it, builds the engine, and asks the built engine how accurate,
robust and fast it is. Without flags: a demo."""

_EXAMPLES = """commands:
  run, the default       what stands here; of another: bench.py COMMAND --help
  doctor, board          which engines this machine or a board has; setting up
  export, contract       one ONNX file with its input contract; how it is fed
  quantize, build        the file of a precision; the built engine
  diff, trial, merge     where two engines part; single trials; shards merged
  compare, report, runs  two runs compared; one judged again; all listed

examples:
  bench.py --model m.onnx --preset imagenet --data val/ --calib calib/ --bits 8
  bench.py --model m.onnx --preset imagenet --data val/ --calib calib/ --engine openvino --bits 16 --out runs/m
  bench.py --model m.onnx --size 64 --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5 --data test/ --calib calib/ --suite quick
  bench.py --config m.yaml --limit 500            flags override the file
  bench.py --from runs/m --scenario offline --scenario server --out runs/m  that run, timed in further ways
  bench.py --from runs/m --conditions 'pipeline/*' --out runs/m            that run, and more of it

The same command continues an interrupted run. Exit status: 0 ACCEPT or INCONCLUSIVE
(--strict: 1), 1 REGRESSION or ANOMALOUS (--advisory: 0), 2 usage or bad input, 3 target unavailable or build failed,
4 a fault of seatrial's own, 130 interrupted, 143 ended by SIGTERM."""

# Of the flags: each asks for something else than a run, and two cannot be answered at once.
_IN_PLACE_OF_A_RUN = ("list", "build_only", "dry_run", "detect")


def make_parser() -> Parser:
    """The parser of `run`."""
    parser = Parser("[run]", _DESCRIPTION, _EXAMPLES)
    base.add(parser)
    group = parser.add_argument_group("model and data")
    model.add(group, float_model=True, variants=True)
    images.add(
        group,
        data="test images: folder of class folders, .npz (images, labels), an ImageNet-C or CIFAR-10-C folder, or demo",
    )
    images.add_unlabelled(group)
    calibration.add(group)
    contract.add(parser)
    target = targets.add(parser, "fp32 on the reference engine is always added, as the pair of comparisons")
    boards.add_places(target)
    targets.add_rebuilds(target)
    gate.add(parser)
    target.add_argument("--build-only", action="store_true", help="build the targets and stop; as `bench.py build`")
    targets.add_compute_capability(target)
    builder.add(parser)
    quantization.add(parser)
    conditions.add(parser)
    attacks.add(parser)
    timing.add(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="run directory, which goes on with what it has (default: runs/MODEL-HASH)",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="only say what would run, for how long and with how much disk"
    )
    group.add_argument("--list", choices=listed.KINDS, metavar="KIND", help=f"only name all {', '.join(listed.KINDS)}")
    group.add_argument("--reuse", type=Path, metavar="RUN", help="take over that run's trials where they are the same")
    group.add_argument(
        "--shard",
        metavar="K/N",
        help="run the K-th of N parts alone, without a verdict; `merge` puts the N directories together",
    )
    group.add_argument(
        "--detect",
        type=float,
        metavar="POINTS",
        help="run nothing; say how many images tell a loss of so many points of accuracy from none",
    )
    work.add(group, batches=True, executors=True)
    output.add(group)
    limits.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> RunSpec:
    """Parsed flags -> RunSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    begun = base.take(given)
    known = begun or RunSpec()
    if known.timing.power_command is not None and "power_command" not in given:
        raise UsageError(
            f"That run was timed with --power-command {known.timing.power_command!r}. Give it again: a command that a "
            "run directory names is not run."
        )
    if begun is None:
        targets.take_swept(given)
    if "shard" in given:
        given["shard"] = shard_of(given["shard"])
    endpoints = boards.take_places(given)
    asked = targets.take(given, known.targets, extends=begun is not None, endpoints=endpoints)
    for name in endpoints:
        if name not in {target.board for target in asked.asked}:
            raise UsageError(
                f"No target asks --place {name}: give --engine kserve, or --target kserve/int8@{name}/http."
            )
    return RunSpec(
        source=model.take(given, known.source),
        images=images.take(given, known.images),
        calibration=calibration.take(given, known.calibration),
        quantization=quantization.take(given, known.quantization),
        targets=asked,
        **boards.take(given, known, asked.asked),
        endpoints=endpoints,
        builder=builder.take(given, known.builder),
        limits=limits.take(given, known.limits),
        conditions=conditions.take(given, known.conditions),
        attacks=attacks.take(given, known.attacks),
        gate=gate.take(given, known.gate),
        timing=timing.take(given, known.timing),
        work=work.take(given, known.work),
        **{"seed": known.seed, **given},
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Runs and prints the answer; the command's exit status."""
    given = dict(flags)
    asked = output.take(given)
    _one_of_modes(given)
    if "list" in given:
        kind, narrowed = given.pop("list"), bool({"suite", "conditions", "severity"} & given.keys())
        return listed.list_names(kind, spec_of(given), narrowed, asked.json, console)
    if given.get("build_only"):
        from seatrial.harness.command import build

        if asked.json:
            raise UsageError("--json is for a run that is judged, not for --build-only.")
        known = {action.dest for action in build.make_parser()._actions}
        return build.execute({name: value for name, value in given.items() if name in known}, progress, console)
    if "compute_capability" in given:
        raise UsageError("--compute-capability is for --build-only: what is built for another GPU cannot run here.")
    if given.pop("dry_run", False):
        from seatrial.harness.report.forecast import print_forecast
        from seatrial.harness.run.forecast import forecast

        found = forecast(spec_of(given), progress).to_dict()
        put(console, json.dumps(found, indent=2) + "\n") if asked.json else print_forecast(found, console)
        return EXIT_PASSED
    if "detect" in given:
        from seatrial.harness.command.plan import tell_images_needed

        if asked.json:
            raise UsageError("--json is for a run that is judged, not for --detect.")
        points = given.pop("detect")
        return tell_images_needed(spec_of(given), points, progress, console)
    return _run(spec_of(given), asked, progress, console)


def _one_of_modes(given: Mapping[str, Any]) -> None:
    asked = [f"--{name.replace('_', '-')}" for name in _IN_PLACE_OF_A_RUN if name in given]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} each ask for something else than a run: give only one of them.")


def _run(spec: RunSpec, asked: output.Output, progress: Progress, console: Console) -> int:
    """What a run needs is imported here: --help, --version and a wrong flag are answered before."""
    from seatrial.harness.command.printed import print_result, print_shard
    from seatrial.harness.results.gate import exit_status
    from seatrial.harness.run.run import run
    from seatrial.harness.run.shards import run_shard

    if spec.shard is not None:
        if asked.json:
            raise UsageError("--json is for a run that is judged, not for a part of one.")
        done = run_shard(spec, progress)
        print_shard(done, console)
        return EXIT_UNAVAILABLE if done.failed else EXIT_PASSED
    summary, directory = run(spec, progress)
    print_result(summary, directory, asked, console)
    return exit_status(summary)

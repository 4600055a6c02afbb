"""The flags of `bench.py run`, and what they mean as a RunSpec. They are a contract: scripts and CI of users hang on
them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from engines import ENGINES
from engines.precision import BITS, precision_of_bits
from exporters import ContractOptions
from exporters.presets import PRESETS
from harness.command.config import read_config
from harness.conditions import SUITES
from harness.spec import RunSpec, TargetSpec
from shipcheck import __version__
from shipcheck.errors import UsageError

_DESCRIPTION = """Tests the model that ships: quantizes it, builds the engine, and asks the built engine how accurate,
how robust and how fast it is, and at which precision it really runs. Without flags it tests the built-in demo."""

_EXAMPLES = """examples:
  bench.py                                        the demo: renders its photographs, INT8 against fp32
  bench.py --model m.onnx --preset imagenet --data val/ --calib calib/ --engine onnxruntime --bits 8 --out runs/m
  bench.py --model m.onnx --size 64 --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5 --data test/ --calib calib/ --suite quick
  bench.py --config m.yaml --limit 500            flags override the file

The same command continues an interrupted run. Exit status: 0 passed, 1 gate failed, 2 usage or bad input,
3 target unavailable or build failed, 130 interrupted."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See `{self.prog} --help`.")


def parse(arguments: Sequence[str]) -> RunSpec:
    """Arguments without the program's name -> RunSpec; UsageError for what cannot be meant, SystemExit(0) after
    --help.
    """
    parser = make_parser()
    words = list(arguments)
    typed = vars(parser.parse_args(words[1:] if words[:1] == ["run"] else words))
    config = typed.pop("config", None)
    known = {option.lstrip("-") for option in parser._option_string_actions if option.startswith("--")}
    file = {} if config is None else vars(parser.parse_args(read_config(config, known)))
    if "bits" in typed or "precision" in typed:  # two spellings of one thing: what is typed overrides both
        file = {name: value for name, value in file.items() if name not in ("bits", "precision")}
    return _spec({**file, **typed})


def make_parser() -> argparse.ArgumentParser:
    """The parser of the `run` command."""
    parser = _Parser(
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would change its meaning with the next flag that is added
        argument_default=argparse.SUPPRESS,  # only what is given is set: RunSpec knows the defaults
    )
    parser.add_argument("--version", action="version", version=f"shipcheck {__version__}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="all flags as YAML (flag: value); flags override it"
    )

    model = parser.add_argument_group("model and data")
    model.add_argument("--model", metavar="FILE", help="an ONNX classifier (default: the demo network)")
    model.add_argument(
        "--data",
        metavar="PATH",
        help="test images: folder of class folders, .npz (images, labels), an ImageNet-C or CIFAR-10-C folder, or demo",
    )
    model.add_argument("--calib", metavar="PATH", help="calibration images, likewise; never the test images")
    model.add_argument(
        "--classes", type=Path, metavar="FILE", help="class names in order: index,synset,name CSV or one a line"
    )
    model.add_argument("--limit", type=int, metavar="N", help="the first N images of the seeded, class-balanced order")
    model.add_argument("--calib-limit", type=int, metavar="N", help="likewise for calibration images")
    model.add_argument("--seed", type=int, metavar="N", help="of order, noise and bootstrap (default: 0)")

    contract = parser.add_argument_group(
        "input contract", "how an image becomes the input, where the model does not say"
    )
    contract.add_argument("--preset", metavar="NAME", help=", ".join(PRESETS))
    contract.add_argument("--size", metavar="S", help="the model's input: N or HxW; alone: straight to that size")
    contract.add_argument(
        "--resize", metavar="R", help="N: short side to N px, then --crop; HxW or exact: both sides; none"
    )
    contract.add_argument("--crop", metavar="S", help="centre crop after --resize N: N or HxW")
    contract.add_argument(
        "--mean", nargs="+", metavar="X", help="per channel, after division by 255: three numbers, or one"
    )
    contract.add_argument("--std", nargs="+", metavar="X", help="likewise")
    contract.add_argument("--color", metavar="ORDER", help="rgb or bgr, as the model expects it")

    target = parser.add_argument_group(
        "targets", "fp32 on the reference engine is always added, as the pair of comparisons"
    )
    target.add_argument("--engine", action="append", metavar="NAME", help=f"repeatable: {', '.join(ENGINES)}")
    target.add_argument("--bits", action="append", type=_integer, metavar="N", help=f"repeatable: {_spell_bits()}")
    target.add_argument("--precision", action="append", metavar="NAME", help="repeatable; in place of --bits, by name")
    target.add_argument("--device", action="append", metavar="NAME", help="repeatable (default: cpu)")
    target.add_argument("--threads", type=int, metavar="N", help="threads of one inference call (default: 1)")
    target.add_argument(
        "--optimization",
        choices=("disable", "basic", "extended", "all"),
        help="graph optimisation level (default: all)",
    )

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

    work = parser.add_argument_group("run")
    work.add_argument("--out", type=Path, metavar="DIR", help="run directory (default: runs/MODEL-HASH)")
    work.add_argument("--workers", type=int, metavar="N", help="threads that decode and corrupt")
    work.add_argument("--batch-size", type=int, metavar="N", help="images a call; changes no result (default: 32)")
    return parser


def _spec(flags: Mapping[str, Any]) -> RunSpec:
    given = dict(flags)
    contract = ContractOptions(
        preset=given.pop("preset", None),
        size=_size("--size", given.pop("size", None)),
        resize=_resize(given.pop("resize", None)),
        crop=_size("--crop", given.pop("crop", None)),
        mean=_triple("--mean", given.pop("mean", None)),
        std=_triple("--std", given.pop("std", None)),
        color=given.pop("color", None),
    )
    targets = _targets(
        engines=given.pop("engine", ["onnxruntime"]),
        precisions=[*map(precision_of_bits, given.pop("bits", ())), *given.pop("precision", ())],
        devices=given.pop("device", ["cpu"]),
    )
    given["conditions"] = tuple(given.pop("conditions", ()))
    given["severities"] = tuple(given.pop("severity", ()))
    return RunSpec(contract=contract, targets=targets, **given)


def _targets(engines: Sequence[str], precisions: Sequence[str], devices: Sequence[str]) -> tuple[TargetSpec, ...]:
    names = map(ENGINES.canonical, engines)
    grid = itertools.product(names, precisions or ["int8"], devices)
    return tuple(TargetSpec(engine, precision, device) for engine, precision, device in grid)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; known: {_spell_bits()}") from None


def _spell_bits() -> str:
    return ", ".join(f"{bits} ({name})" for bits, name in BITS.items())


def _size(flag: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{flag} {text!r} is no size: give N or HxW in pixels, as in 224 or 224x320.")
    height, width = int(parts[0]), int(parts[-1])
    return height, width


def _resize(text: str | None) -> str | int | tuple[int, int] | None:
    if text is None or text == "none":
        return text
    if text == "exact":
        return "exact"
    size = _size("--resize", text)
    assert size is not None
    return size if "x" in text.lower() else size[0]


def _triple(flag: str, words: Sequence[str] | None) -> tuple[float, float, float] | None:
    if words is None:
        return None
    try:
        numbers = [float(word) for text in words for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise UsageError(f"{flag} takes three numbers (or one for all channels), not {' '.join(words)!r}.")
    return numbers[0], numbers[1], numbers[2]

"""`bench.py export`: its flags, what they mean as an ExportSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, UsageError
from seatrial.files import write_json
from seatrial.harness.command.groups import Parser, add_classes_flag, add_contract_flags, add_model_flags, take_contract
from seatrial.harness.export import ExportSpec, export
from seatrial.harness.progress import Progress
from seatrial.harness.report.export import print_export

_DESCRIPTION = """Makes one ONNX file of a model, from PyTorch or from ONNX: batch free, batch normalisation folded,
graph simplified, input contract and class names inside. Then feeds real images to the source and to the file: same
classes, largest logit difference, and, where they differ, the first layer at which they part."""

_EXAMPLES = """examples:
  bench.py export --model nets.py:resnet20 --weights resnet20.pt --preset cifar10 --data test.npz --out resnet20.onnx
  bench.py export --model timm:resnet50.a1_in1k --data val/ --limit 500 --out resnet50.onnx
  bench.py export --model old.onnx --preset imagenet --classes classes.csv --data val/ --out old-with-contract.onnx

A factory's file is Python code and is run. Exit status: 0 the file answers like its source, 1 it does not (and is
written as NAME.differs.onnx), 2 usage or bad input, 3 a library is missing or PyTorch cannot export the module."""


def make_parser() -> Parser:
    """The parser of `bench.py export`."""
    parser = Parser("export", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model")
    add_model_flags(model)
    add_classes_flag(model)
    model.add_argument("--out", type=Path, metavar="FILE", help="the .onnx file to write")
    model.add_argument(
        "--batch", type=_batch, metavar="N", help="freeze the batch at N; or free (a PyTorch module's is, unless said)"
    )
    model.add_argument("--no-simplify", dest="simplify", action="store_false", help="leave the graph as exported")
    data = parser.add_argument_group("images on which source and file are compared")
    data.add_argument(
        "--data", metavar="PATH", help="folder of class folders or .npz (images, labels); default: the demo's images"
    )
    data.add_argument("--limit", type=int, metavar="N", help="the first N images of the seeded, class-balanced order")
    data.add_argument("--seed", type=int, metavar="N", help="of the order (default: 0)")
    data.add_argument("--workers", type=int, metavar="N", help="threads that decode")
    data.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON, too")
    add_contract_flags(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Exports, prints the comparison; the command's exit status."""
    given = dict(flags)
    json_file = given.pop("json", None)
    for name in ("model", "out"):
        if name not in given:
            raise UsageError(f"An export needs --{name}. See `bench.py export --help`.")
    for name in ("limit", "batch", "workers"):
        if isinstance(given.get(name), int) and given[name] < 1:
            raise UsageError(f"--{name} is {given[name]}; it must be at least 1.")
    report = export(ExportSpec(contract=take_contract(given), **given), progress)
    if json_file is not None:
        write_json(json_file, report.to_dict())
    print_export(report, console)
    return EXIT_PASSED if report.proven else EXIT_GATE_FAILED


def _batch(text: str) -> int | str:
    return text if text == "free" else int(text)

"""`bench.py export`: its flags, what they mean as an ExportSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, UsageError
from seatrial.files import write_json
from seatrial.harness.command.flags import contract, images, json_file, model, work
from seatrial.harness.command.flags.parser import Parser, program
from seatrial.harness.export import export
from seatrial.harness.progress import Progress
from seatrial.harness.report.export import print_export
from seatrial.harness.spec.export import ExportSpec
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.work import WorkOptions

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
    """The parser of `export`."""
    parser = Parser("export", _DESCRIPTION, _EXAMPLES)
    group = parser.add_argument_group("model")
    model.add(group)
    group.add_argument("--out", type=Path, metavar="FILE", help="the .onnx file to write")
    group.add_argument(
        "--batch", type=_batch, metavar="N", help="freeze the batch at N; or free (a PyTorch module's is, unless said)"
    )
    group.add_argument("--no-simplify", dest="simplify", action="store_false", help="leave the graph as exported")
    data = parser.add_argument_group("images on which source and file are compared")
    images.add(data, data="folder of class folders or .npz (images, labels); default: the demo's images")
    work.add(data)
    json_file.add(data)
    contract.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> ExportSpec:
    """Parsed flags -> ExportSpec; UsageError for what cannot be meant."""
    given = dict(flags)
    for name in ("model", "out"):
        if name not in given:
            raise UsageError(f"An export needs --{name}. See `{program()} export --help`.")
    return ExportSpec(
        source=model.take(given, ModelSource()),
        images=images.take(given, ImageSource()),
        work=work.take(given, WorkOptions()),
        **given,
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Exports, prints the comparison; the command's exit status."""
    given = dict(flags)
    json_path = json_file.take(given)
    report = export(spec_of(given), progress)
    if json_path is not None:
        write_json(json_path, report.to_dict())
    print_export(report, console)
    return EXIT_PASSED if report.proven else EXIT_GATE_FAILED


def _batch(text: str) -> int | str:
    return text if text == "free" else int(text)

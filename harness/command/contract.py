"""`bench.py contract`: its flags, what they mean as a ContractSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, EXIT_USAGE
from seatrial.files import write_json
from seatrial.harness.command.flags import contract, images, json_file, model, work
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.contract import ContractSpec, search
from seatrial.harness.progress import Progress
from seatrial.harness.report.contract import print_contract
from seatrial.harness.spec.contract import DEFAULT_LIMIT

_DESCRIPTION = """Finds out on labelled images how a model wants to be fed: tries colour orders, scalings, resize rules,
interpolations and decoders, drops early what is significantly worse, and names the best with what cannot be told apart
from it. Warns where the declared contract (the model's own, or the flags') is significantly worse."""

_EXAMPLES = """examples:
  bench.py contract --model m.onnx --data val/                      nothing declared: what does it want?
  bench.py contract --model m.onnx --data val/ --preset imagenet    is this right?
  bench.py contract --model m.onnx --data test.npz --limit 4000 --json found.json

Exit status: 0 found, and the declared contract is not worse; 1 the declared contract is significantly worse; 2 usage or
bad input, also where every way is near chance; 3 the runtime is missing or refuses the model."""


def make_parser() -> Parser:
    """The parser of `contract`."""
    parser = Parser("contract", _DESCRIPTION, _EXAMPLES)
    group = parser.add_argument_group("model and data")
    model.add(group)
    images.add(
        group, data="labelled images: folder of class folders, .npz (images, labels), or demo", limit=DEFAULT_LIMIT
    )
    work.add(group)
    json_file.add(group)
    contract.add(parser)
    return parser


def spec_of(flags: Mapping[str, Any]) -> ContractSpec:
    """Parsed flags -> ContractSpec; UsageError for what cannot be meant."""
    given, known = dict(flags), ContractSpec()
    return ContractSpec(
        source=model.take(given, known.source),
        images=images.take(given, known.images),
        work=work.take(given, known.work),
        **given,
    )


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Searches and prints the answer; the command's exit status."""
    given = dict(flags)
    json_path = json_file.take(given)
    spec = spec_of(given)
    result = search(spec, progress)
    if json_path is not None:
        write_json(json_path, result.to_dict())
    print_contract(result, spec.source.model, console)
    if result.best is None:
        return EXIT_USAGE
    return EXIT_GATE_FAILED if result.wrong else EXIT_PASSED

"""`bench.py contract`: its flags, what they mean as a ContractSpec, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, EXIT_USAGE
from seatrial.files import write_json
from seatrial.harness.command.groups import Parser, add_classes_flag, add_contract_flags, add_model_flags, take_contract
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
    """The parser of `bench.py contract`."""
    parser = Parser("contract", _DESCRIPTION, _EXAMPLES)
    model = parser.add_argument_group("model and data")
    add_model_flags(model)
    model.add_argument(
        "--data", metavar="PATH", help="labelled images: folder of class folders, .npz (images, labels), or demo"
    )
    add_classes_flag(model)
    model.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"the first N images of the seeded, class-balanced order (default: {DEFAULT_LIMIT})",
    )
    model.add_argument("--seed", type=int, metavar="N", help="of the order (default: 0)")
    model.add_argument("--workers", type=int, metavar="N", help="threads that decode and infer")
    model.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON, too")
    add_contract_flags(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Searches and prints the answer; the command's exit status."""
    given = dict(flags)
    json_file = given.pop("json", None)
    spec = ContractSpec(contract=take_contract(given), **given)
    result = search(spec, progress)
    if json_file is not None:
        write_json(json_file, result.to_dict())
    print_contract(result, spec.model, console)
    if result.best is None:
        return EXIT_USAGE
    return EXIT_GATE_FAILED if result.wrong else EXIT_PASSED

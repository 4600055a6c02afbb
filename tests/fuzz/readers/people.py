"""What people write by hand: class files and YAML."""

from __future__ import annotations

from pathlib import Path

from fuzz import mutators
from fuzz.readers.table import reader, text


@reader(
    "class file",
    lambda root: [b'index,synset,name\n0,n0,cat\n1,n1,dog\n2,n2,"a, b"\n3,n3,fish\n', b"cat\ndog\na b\nfish\n"],
    mutators=mutators.TEXT,
    suffix=".csv",
    weight=15,
)
def _read_classes(path: Path) -> None:
    from seatrial.harness.data.labels import read_class_table

    read_class_table(path, 4)


@reader(
    "configuration",
    text(
        "model: m.onnx",
        "bits: [8, 4]",
        "engine: onnxruntime",
        "mean: [0.5, 0.5, 0.5]",
        "limit: 100",
        "advisory: true",
        "conditions: ['clean', 'corruption/fog@*']",
        "min-realized: 0.9",
    ),
    mutators=mutators.YAML,
    suffix=".yaml",
    weight=15,
)
def _read_config(path: Path) -> None:
    from seatrial.harness.command import parse_flags
    from seatrial.harness.command.run import make_parser

    parse_flags(make_parser(), ["--config", str(path)])


@reader(
    "gate",
    text(
        "recovery: 99",
        "latency_p50: {limit: 12, place: 'Intel*'}",
        "classes: {limit: 5, binding: failures}",
        "attack: null",
        "targets:",
        "  '*/int4*': {recovery: 97, conditions: 6.5}",
    ),
    mutators=mutators.YAML,
    suffix=".yaml",
)
def _read_gate(path: Path) -> None:
    from seatrial.harness.command.flags.gate_file import read_gate

    read_gate(path)


@reader(
    "boards",
    text("pi5:", "  alias: pi5.local", "  python: /bin/python3", "nano: {alias: nano, lease-file: /tmp/l}", "third:"),
    mutators=mutators.YAML,
    suffix=".yaml",
)
def _read_boards(path: Path) -> None:
    from seatrial.harness.spec.boards import read_boards

    read_boards(path)

"""A small run whose files lose single bits, one run after the other: python tests/flipped_bits.py 3000

In each round most files in run directory and cache have one bit flipped; then the same run is asked for.
"""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from conftest import make_folders, make_model
from quick_timing import time_quickly, untimed
from specs import flat

from seatrial.errors import SeatrialError
from seatrial.exporters import ContractOptions
from seatrial.harness.progress import Silent, telling
from seatrial.harness.records.checked import read_table, read_values
from seatrial.harness.run.run import run
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

TARGETS = (TargetSpec("onnxruntime", "int8"), TargetSpec("openvino", "fp32"))
CONDITIONS = ("clean", "corruption/gaussian_noise@3", "pipeline/resize=opencv-nearest", "attack/fgsm-linf@8+qdq")
# Of what is measured anew with an engine, nothing else.
_TIMES = ("latency", "timing", "timed", "machine", "build_s", "seconds", "speedup", "speedups", "memory_bytes")
_SHARE = 0.7
OUTPUTS = ("summary.json", "report.html", "report.md", "junit.xml", "metrics.json", "bencher.json")

SAID, SAME, UNREAD, OUTPUT, REFUSED = "made again, said", "same values", "not read", "output", "refused"


class _Listening(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def tell(self, sentence: str) -> None:
        self.said.append(sentence)


class World:
    """A finished run with its cache, and what came of it."""

    def __init__(self, root: Path) -> None:
        os.environ["SEATRIAL_CACHE"] = str(root / "state/cache")
        self.state, self._whole = root / "state", root / "whole"
        self.spec = flat(
            RunSpec,
            model=str(make_model(root / "model.onnx")),
            data=str(make_folders(root / "test")),
            calib=str(make_folders(root / "calib", images=4, seed=1)),
            contract=ContractOptions(size=(16, 16)),
            targets=TARGETS,
            conditions=CONDITIONS,
            out=self.state / "run",
        )
        self.figures, _ = self.run()
        shutil.copytree(self.state, self._whole)

    def run(self) -> tuple[Any, list[str]]:
        """The figures of the run, and what was said meanwhile."""
        listening = _Listening()
        with telling(listening):
            summary, _ = run(self.spec, listening)
        return without_times(summary), listening.said

    def files(self) -> Iterator[Path]:
        """All that lies there when nothing is damaged."""
        yield from (self.state / path.relative_to(self._whole) for path in sorted(self._whole.rglob("*.*")))

    def restore(self) -> None:
        """As it was before the first bit fell."""
        shutil.rmtree(self.state)
        shutil.copytree(self._whole, self.state)

    def outcome(self, path: Path, flipped: bytes, said: list[str]) -> str:
        """What became of a flipped file; AssertionError where it was used."""
        if any(str(path) in sentence for sentence in said):
            return SAID
        if path.name in OUTPUTS:
            assert path.read_bytes() != flipped
            return OUTPUT
        whole = self._whole / path.relative_to(self.state)
        if path.suffix == ".json":
            assert read_values(path) == read_values(whole), path
            return SAME
        assert "cache" in path.parts, f"{path} is used as it is"
        assert path.read_bytes() == flipped
        return UNREAD

    def check_rows(self) -> None:
        """AssertionError where a row of the run is not what it was."""
        for path in self.files():
            if path.suffix == ".parquet" and path.name != "latency.parquet":
                assert read_table(path).equals(read_table(self._whole / path.relative_to(self.state))), path


def kind_of(path: Path) -> str:
    """What a file is, for people."""
    if path.parent.name == "run":
        return path.name
    return f"{'adversarial' if path.suffix == '.chunk' else path.parent.name}/*{path.suffix}"


def flip_bits(world: World, count: int, seed: int = 0) -> dict[str, collections.Counter[str]]:
    """Kind of file -> outcome -> how often, of `count` flips or a few more; AssertionError where one is used."""
    rng = np.random.default_rng(seed)
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    while sum(map(collections.Counter.total, table.values())) < count:
        flipped = {path: flip(path, rng) for path in world.files() if rng.random() < _SHARE}
        try:
            figures, said = world.run()
        except SeatrialError as error:
            if error.exit_code not in (2, 3):
                raise
            for path in flipped:
                table[kind_of(path)][REFUSED] += 1
        else:
            assert figures == world.figures, [path.name for path in flipped]
            world.check_rows()
            for path, content in flipped.items():
                table[kind_of(path)][world.outcome(path, content, said)] += 1
        world.restore()
    return table


def flip(path: Path, rng: np.random.Generator) -> bytes:
    """Flips one bit of a file; its content then."""
    content = bytearray(path.read_bytes())
    index = int(rng.integers(len(content) * 8))
    content[index // 8] ^= 1 << index % 8
    path.write_bytes(content)
    return bytes(content)


def without_times(value: Any) -> Any:
    """A summary without what is measured anew with an engine: two runs of one spec have the same."""
    if isinstance(value, dict):
        if "findings" in value:
            value = {**value, "findings": untimed(value["findings"])}
        return {name: without_times(part) for name, part in value.items() if name not in _TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def main(count: int) -> None:
    """Prints the table."""
    time_quickly()
    with contextlib.ExitStack() as stack:
        world = World(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        table = flip_bits(world, count)
    outcomes = (SAID, SAME, UNREAD, OUTPUT, REFUSED)
    print("| file | flips |", " | ".join(outcomes), "|")
    for kind, found in sorted(table.items()):
        print(f"| {kind} | {found.total()} |", " | ".join(str(found[one]) for one in outcomes), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""The commands that findings name, ready for a shell."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from seatrial.engines import ENGINES
from seatrial.exporters import ContractOptions
from seatrial.harness.spec.model import DEMO
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE_ENGINE, TargetSpec

_BENCH = ("python", "bench.py")
_SIDES = ("size", "crop")
_PLAIN = ("preset", "interpolation", "decoder", "divisor", "color", "crop_offset", "pad_value", "orientation")


@dataclasses.dataclass(frozen=True)
class Commands:
    """spec: of the run. root: its directory."""

    spec: RunSpec
    root: Path

    @property
    def limit(self) -> int | None:
        """How many images the run was held to; None where it took all that there are."""
        return self.spec.images.limit

    def contract(self) -> str:
        """The search for how the model wants to be fed, against what was declared."""
        spec = self.spec
        return _spelled("contract", *self._model(), *_contract(spec.source.contract), *self._data())

    def with_contract(self, flags: Sequence[str]) -> str:
        """The same run, fed as `flags` say; into a directory of its own."""
        return self.again("contract", *flags)

    def diff(self, target: TargetSpec, *more: str) -> str:
        """Where that target parts from the reference."""
        if ENGINES[target.engine].served:  # nobody sees into it: the same precision here is the next best
            target = TargetSpec(REFERENCE_ENGINE, target.precision)
        named = ["--engine", target.engine, "--precision", target.precision, "--device", target.device]
        named += [] if target.board is None else ["--board", target.board]
        named += [] if target.variant is None else ["--variant", target.variant]
        return _spelled("diff", "--from", os.fspath(self.root), *named, *more)

    def again(self, name: str, *more: str) -> str:
        """The same run with further flags; into a directory of its own, which is called after `name`."""
        out = self.root.with_name(f"{self.root.name}-{name}")
        return _spelled("--from", os.fspath(self.root), *more, "--out", os.fspath(out))

    def _model(self) -> list[str]:
        source = self.spec.source
        named = [] if source.model == DEMO else ["--model", source.model]
        for flag, value in (("--weights", source.weights), ("--output", source.output), ("--classes", source.classes)):
            named += [] if value is None else [flag, os.fspath(value)]
        return named

    def _data(self) -> list[str]:
        spec = self.spec
        data = spec.images.data or (None if spec.source.model != DEMO else DEMO)
        return [*(["--data", data] if data is not None else []), *(["--seed", str(spec.seed)] if spec.seed else [])]


def _contract(options: ContractOptions) -> list[str]:
    """Flags of the fields that are given."""
    words: list[str] = []
    for name in _PLAIN:
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    for name in _SIDES:
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", _side(value)]
    if options.resize is not None:
        words += ["--resize", options.resize if isinstance(options.resize, str) else _side(options.resize)]
    for name in ("mean", "std"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", *(repr(float(number)) for number in value)]
    return words


def _side(value: int | tuple[int, int]) -> str:
    return str(value) if isinstance(value, int) else f"{value[0]}x{value[1]}"


def _spelled(*words: str) -> str:
    return shlex.join((*_BENCH, *words))

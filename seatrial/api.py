"""seatrial from Python, in a notebook for example: what the command does, on arrays as well as on paths.

Keywords are the command's flags with underscores, lists for repeatable ones; or a spec (`harness.spec`) is given whole.
What comes back has fields, and prints as a table.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from seatrial.cache import cache_root
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.exporters.contract import embed
from seatrial.files import replacing
from seatrial.harness.build.build import BuildResult
from seatrial.harness.build.build import build as _build
from seatrial.harness.command import build as _build_command
from seatrial.harness.command import flags_of
from seatrial.harness.command import quantize as _quantize_command
from seatrial.harness.command import run as _run_command
from seatrial.harness.command.flags import model as _model_flags
from seatrial.harness.command.flags.written import refuse_overwriting
from seatrial.harness.plan.load import load_model
from seatrial.harness.progress import Progress
from seatrial.harness.quantize.quantize import Quantized
from seatrial.harness.quantize.quantize import quantize as _quantize
from seatrial.harness.report.build import print_built
from seatrial.harness.report.compare import print_baseline
from seatrial.harness.report.console import print_gate, print_summary
from seatrial.harness.report.progress import progress_here
from seatrial.harness.report.quantize import print_quantized
from seatrial.harness.results.baseline.compared import TargetChange
from seatrial.harness.results.baseline.judge import JudgedComparison, compare_runs
from seatrial.harness.results.typed import Summary, TargetResult
from seatrial.harness.run.merging import merge as _merge
from seatrial.harness.run.run import finished
from seatrial.harness.spec.build import BuildSpec
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.quantize import QuantizeSpec
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.typeset.terminal import Terminal

_WIDTH = 120


class _Printed:
    """Prints as the command's own tables."""

    def _print(self, console: Terminal) -> None:
        raise NotImplementedError

    def __str__(self) -> str:
        console = Terminal(file=io.StringIO(), width=_WIDTH, color_system=None)
        self._print(console)
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclasses.dataclass(frozen=True, repr=False)
class RunResult(_Printed):
    """directory: of the run. summary: what it found out."""

    directory: Path
    summary: Summary

    @property
    def verdict(self) -> str:
        """Of the gate."""
        return str(self.summary.gate["verdict"])

    @property
    def targets(self) -> Sequence[TargetResult]:
        """The reference first."""
        return self.summary.targets

    def _print(self, console: Terminal) -> None:
        print_summary(self.summary.to_dict(), self.directory, console)


@dataclasses.dataclass(frozen=True, repr=False)
class BuildResults(_Printed):
    """One for each target."""

    targets: tuple[BuildResult, ...]

    def _print(self, console: Terminal) -> None:
        print_built(self.targets, console)


@dataclasses.dataclass(frozen=True, repr=False)
class QuantizeResult(_Printed):
    """file: what was written. made: the model in it, and what the engine makes of it."""

    file: Path
    made: Quantized

    def _print(self, console: Terminal) -> None:
        print_quantized(self.made, console)


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(_Printed):
    """judged: what changed, and the verdict over it."""

    judged: JudgedComparison

    @property
    def verdict(self) -> str:
        """Of the gate, over what changed."""
        return str(self.judged.gate["verdict"])

    @property
    def targets(self) -> Mapping[str, TargetChange]:
        """What changed, by target."""
        return self.judged.found.targets

    def _print(self, console: Terminal) -> None:
        print_baseline(self.judged.found.to_dict(), console)
        print_gate(self.judged.gate, console)


def run(spec: RunSpec | None = None, *, progress: Progress | None = None, **flags: Any) -> RunResult:
    """Tests a model, as `bench.py` does; continues a run of the same `out`.

    flags: the command's. model: a path or name, an onnx.ModelProto, or what `load` gives; data, calib: a path, or uint8
    images [N, H, W, 3] and int labels [N] (calib, and data with unlabelled=True: images alone will do). Raises a
    SeatrialError that says what to do.
    """
    asked = spec or _spec(_run_command, _run_command.spec_of, flags)
    summary, directory = finished(asked, progress or progress_here())
    return RunResult(directory, summary)


def merge(runs: Sequence[str | Path], *, out: str | Path, progress: Progress | None = None) -> RunResult:
    """The directories of all shards of a run made one run in `out`, as `bench.py merge` does."""
    summary, directory = _merge([Path(run) for run in runs], Path(out), progress or progress_here())
    return RunResult(directory, summary)


def build(spec: BuildSpec | None = None, *, progress: Progress | None = None, **flags: Any) -> BuildResults:
    """Builds engines and asks them nothing, as `bench.py build` does. flags: as for `run`."""
    asked = spec or _spec(_build_command, lambda given: _build_command.spec_of(given, Terminal(stderr=True)), flags)
    return BuildResults(tuple(_build(asked, progress or progress_here())))


def quantize(spec: QuantizeSpec | None = None, *, progress: Progress | None = None, **flags: Any) -> QuantizeResult:
    """Writes the file that an engine executes at a precision to `out`, as `bench.py quantize` does.

    flags: as for `run`.
    """
    asked = spec or _spec(_quantize_command, _quantize_command.spec_of, flags)
    made = _quantize(asked, progress or progress_here())
    return QuantizeResult(made.file, made)


def load(model: Any, **flags: Any) -> DeployableModel:
    """The model as it would be deployed, its input contract with it.

    flags: weights, output, classes, and the contract's.
    """
    given = flags_of(_run_command.make_parser(), _words({"model": model, **flags}), "load")
    return load_model(_model_flags.take(given, ModelSource()))


def compare(first: RunResult | str | Path, second: RunResult | str | Path) -> Comparison:
    """The second run against the first, paired by image, for every target and condition that both have."""
    return Comparison(compare_runs(_directory(first), _directory(second)))


def _spec(command: ModuleType, spec_of: Callable[[Mapping[str, Any]], Any], flags: Mapping[str, Any]) -> Any:
    parser = command.make_parser()
    given = flags_of(parser, _words(flags), parser.prog.partition(" ")[2].strip("[]"))
    refuse_overwriting(given)
    return spec_of(given)


def _words(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags as a file would say them."""
    words: dict[str, Any] = {}
    for key, value in flags.items():
        name = key.rstrip("_")  # `from` is a word of Python's own
        if name == "model":
            words[name] = _model_path(value)
        elif name in ("data", "calib") and not isinstance(value, (str, Path)):
            alone = name == "calib" or bool(flags.get("unlabelled"))
            words[name] = str(_arrays_path(name, value, alone=alone))
        elif name in ("size", "crop", "resize") and isinstance(value, tuple):
            words[name] = "x".join(map(str, value))
        elif isinstance(value, tuple):
            words[name] = list(value)
        elif isinstance(value, Path):
            words[name] = str(value)
        else:
            words[name] = value
    return words


def _model_path(model: Any) -> str:
    if isinstance(model, (str, Path)):
        return str(model)
    if isinstance(model, DeployableModel):
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        embed(proto, model.contract, model.class_names or ())
    elif isinstance(model, onnx.ModelProto):
        proto = model
    else:
        raise UsageError(f"A model is a path, a name, an onnx.ModelProto or what load() gives, not {type(model)}.")
    return str(_kept(proto.SerializeToString(deterministic=True), "onnx"))


def _arrays_path(name: str, value: Any, *, alone: bool) -> Path:
    """Arrays as the archive that a command would be given; kept under the hash of what is in it. alone: no labels are
    needed.
    """
    parts = value if isinstance(value, tuple) else (value,)
    arrays = dict(zip(("images", "labels"), map(np.asarray, parts), strict=False))
    images = arrays["images"]
    if len(parts) > 2 or images.dtype != np.uint8 or images.ndim != 4 or (len(parts) < 2 and not alone):
        labels = "" if alone else " and labels [N] (or unlabelled=True)"
        raise UsageError(
            f"{name} is a path, or arrays: uint8 images [N, H, W, 3]{labels}, not {images.dtype} {list(images.shape)}."
        )
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return _kept(stream.getvalue(), "npz")


def _kept(content: bytes, suffix: str) -> Path:
    path = cache_root() / "given" / f"{hashlib.sha256(content).hexdigest()}.{suffix}"
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def _directory(run: RunResult | str | Path) -> Path:
    return run.directory if isinstance(run, RunResult) else Path(run)

"""A spec resolved against the world: model loaded, images listed and hashed, names checked. Nothing heavy yet."""

from __future__ import annotations

import dataclasses
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import exporters
from engines import ENGINES
from engines.base import BuildRequest
from engines.precision import is_quantized
from exporters import DeployableModel
from harness.conditions import Condition, choose
from harness.data import Selection, open_source, select
from harness.data.demo import demo_folders
from harness.demo import demo_model_path
from harness.progress import Progress
from harness.spec import DEMO, REFERENCE, RunSpec, TargetSpec
from shipcheck import __version__
from shipcheck.cache import cache_root
from shipcheck.errors import UsageError
from shipcheck.files import value_digest


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run needs to start. `targets` begins with the reference; `identity` is what shapes the results."""

    spec: RunSpec
    model: DeployableModel
    data: Selection
    calib: Selection | None
    targets: tuple[TargetSpec, ...]
    conditions: tuple[Condition, ...]
    identity: dict[str, Any]

    @property
    def digest(self) -> str:
        """The hash of the identity: runs of the same digest give the same predictions."""
        return value_digest(self.identity)

    @property
    def out(self) -> Path:
        """The run directory: as asked for, else `runs/MODEL-HASH`."""
        return self.spec.out or Path("runs") / f"{self.model.name}-{self.digest[:8]}"

    def request(self, target: TargetSpec, model: DeployableModel) -> BuildRequest:
        """What the target's engine is built from; `model` is at the target's precision."""
        return BuildRequest(
            onnx_bytes=model.onnx_bytes,
            input_name=model.input_name,
            output_name=model.output_name,
            image_shape=(3, *model.contract.size),
            classes=model.classes,
            precision=target.precision,
            device=target.device,
            fixed_batch=model.fixed_batch,
            threads=self.spec.threads,
            optimization=self.spec.optimization,
        )


def make_plan(spec: RunSpec, progress: Progress) -> Plan:
    """Checks everything that can be checked without decoding or building; raises a ShipcheckError that says what to
    do.
    """
    _check_numbers(spec)
    targets = _targets(spec)
    conditions = tuple(choose(spec.suite, spec.conditions, spec.severities))
    model = exporters.load(demo_model_path() if spec.model == DEMO else spec.model, contract=spec.contract)
    data_source = spec.data or (DEMO if spec.model == DEMO else None)
    if data_source is None:
        raise UsageError("Which images? Give --data: a folder of class folders, or an .npz archive.")
    data = _select(data_source, "test", model, spec, spec.limit, progress)
    calib_source = spec.calib or (DEMO if data_source == DEMO else None)
    calib = None
    if any(needs_calibration(target) for target in targets):
        if calib_source is None:
            raise UsageError("A quantized target needs calibration images: give --calib (not the test images).")
        calib = _select(calib_source, "calib", model, spec, spec.calib_limit, progress)
    return Plan(spec, model, data, calib, targets, conditions, _identity(spec, model, data, calib, targets, conditions))


def needs_calibration(target: TargetSpec) -> bool:
    """True where the target's graph must be quantized before its engine can be built."""
    return is_quantized(target.precision) and ENGINES[target.engine].executes_graph


def _check_numbers(spec: RunSpec) -> None:
    if not 0 <= spec.seed < 2**63:
        raise UsageError(f"--seed is {spec.seed}; it must be from 0 to 2**63 - 1.")
    for flag, value in (
        ("--limit", spec.limit),
        ("--calib-limit", spec.calib_limit),
        ("--threads", spec.threads),
        ("--workers", spec.workers),
        ("--batch-size", spec.batch_size),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be at least 1.")


def _targets(spec: RunSpec) -> tuple[TargetSpec, ...]:
    if not spec.targets:
        raise UsageError("A run needs at least one target: give --engine and --bits.")
    targets = [dataclasses.replace(target, engine=ENGINES.canonical(target.engine)) for target in spec.targets]
    unique = tuple(dict.fromkeys((REFERENCE, *targets)))
    for target in unique:
        ENGINES[target.engine].check_support(target.precision, target.device)
    return unique


def _select(
    source: str, split: str, model: DeployableModel, spec: RunSpec, limit: int | None, progress: Progress
) -> Selection:
    if source == DEMO:
        test, calib = demo_folders(cache_root(), progress)
        path = test if split == "test" else calib
    else:
        path = Path(source)
    opened = open_source(path, model.classes, class_names=model.class_names, classes_file=spec.classes)
    return select(opened, seed=spec.seed, limit=limit)


def _identity(
    spec: RunSpec,
    model: DeployableModel,
    data: Selection,
    calib: Selection | None,
    targets: tuple[TargetSpec, ...],
    conditions: tuple[Condition, ...],
) -> dict[str, Any]:
    return {
        "schema": 1,
        "model": {"name": model.name, "digest": model.digest, "contract": model.contract.to_dict()},
        "data": _describe(data),
        "calibration": None if calib is None else _describe(calib),
        "targets": [target.id for target in targets],
        "conditions": [condition.id for condition in conditions],
        "seed": spec.seed,
        "threads": spec.threads,
        "optimization": spec.optimization,
        "versions": _versions(targets),
    }


def _describe(selection: Selection) -> dict[str, Any]:
    return {"name": selection.source.name, "images": len(selection), "digest": selection.digest()}


def _versions(targets: tuple[TargetSpec, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {"shipcheck": __version__}
    for package in ("numpy", "pillow", "onnx"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    for target in targets:
        found[target.engine] = ENGINES[target.engine].version()
    return found

"""Which models a run's attacks may be made on, by the names that condition ids give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.ids import QDQ, SOURCE
from seatrial.harness.data import Selection, labeller, open_source
from seatrial.harness.plan.files import recipe_of
from seatrial.harness.spec.attacks import AttackOptions, named_surrogate
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec


@dataclasses.dataclass(frozen=True)
class Network:
    """Another architecture. labels: int64 [N] of the run's images, among its own classes."""

    model: DeployableModel
    labels: npt.NDArray[np.int64]


def files_of(targets: Sequence[TargetSpec], model: DeployableModel | None = None) -> dict[TargetSpec, str]:
    """The surrogate that is each target's own graph: `fp32` where its arithmetic is a float's, else `qdq`, or
    `qdq-ENGINE-PRECISION` where the targets run several quantized files.

    model: None while it is not loaded, which is then taken for a float model.
    """
    files: dict[TargetSpec, str] = {}
    own = model is not None and is_quantized(model.precision)
    for target in targets:
        if not is_quantized(target.precision) or not ENGINES[target.engine].executes_graph:
            files[target] = SOURCE
        else:
            files[target] = QDQ if own else f"{QDQ}-{recipe_of(target)}-{target.precision}"
    quantized = {name for name in files.values() if name != SOURCE}
    return {target: QDQ if name in quantized and len(quantized) == 1 else name for target, name in files.items()}


def surrogate_names(
    targets: Sequence[TargetSpec], options: AttackOptions, model: DeployableModel | None = None
) -> tuple[str, ...]:
    """All of a run's surrogates: the source first, then quantized files, then other networks."""
    files = files_of(targets, model).values()
    return tuple(dict.fromkeys([SOURCE, *files, *(name for name, _ in map(named_surrogate, options.surrogates))]))


def load_networks(spec: RunSpec, model: DeployableModel, data: Selection, path: Path) -> dict[str, Network]:
    """The networks of --surrogate, by name, each fed as its file says, else as the flags do.

    UsageError for one that does not take images of the same size, and what loading and labelling raise.
    """
    found = {}
    for name, source in map(named_surrogate, spec.attacks.surrogates):
        network = _load(source, spec)
        if network.contract.size != model.contract.size:
            raise UsageError(
                f"--surrogate {name} takes images of {_spell(network.contract.size)} px, {model.name} of "
                f"{_spell(model.contract.size)}: adversarial images must fit both."
            )
        label_of = labeller(network.classes, network.class_names, spec.source.classes)
        same = Selection(open_source(path, network.classes, label_of), data.indices)
        if same.ids != data.ids:
            raise UsageError(f"--surrogate {name} does not see the same images as {model.name}.")
        found[name] = Network(network, same.labels)
    return found


def _load(source: str, spec: RunSpec) -> DeployableModel:
    # The flags are the tested model's: another network may want other numbers, and what it carries says so.
    try:
        return exporters.load(source)
    except UsageError:
        return exporters.load(source, contract=spec.source.contract)


def _spell(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

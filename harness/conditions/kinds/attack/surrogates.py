"""Which models a run's attacks may be made on, by the names that condition ids give them."""

from __future__ import annotations

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.ids import QDQ, SOURCE
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Network, World
from seatrial.harness.data import Selection, labeller, open_source
from seatrial.harness.spec.attacks import named_surrogate
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec


def files_of(world: World) -> dict[TargetSpec, str]:
    """The surrogate that is each target's own graph: `fp32` where its arithmetic is a float's, else `qdq`, or
    `qdq-ENGINE-PRECISION` where the targets run several quantized files.

    A model that is not loaded is taken for a float one.
    """
    files: dict[TargetSpec, str] = {}
    as_it_is = world.model is not None and is_quantized(world.model.precision)
    for target in world.targets:
        engine = ENGINES[target.engine]
        if target.variant is not None:
            files[target] = _file_of_variant(target, world)
        elif not is_quantized(target.precision) or not engine.executes_graph:
            files[target] = SOURCE
        else:
            files[target] = QDQ if as_it_is else f"{QDQ}-{engine.recipe(target.device)}-{target.precision}"
    quantized = {name for target, name in files.items() if target.variant is None and name != SOURCE}
    return {target: QDQ if name in quantized and len(quantized) == 1 else name for target, name in files.items()}


def _file_of_variant(target: TargetSpec, world: World) -> str:
    name, engine = str(target.variant), ENGINES[target.engine]
    own = world.variants[name].precision if name in world.variants else target.precision
    if not is_quantized(target.precision) or target.precision == own:
        return name
    return f"{name}-{engine.recipe(target.device)}-{target.precision}"


def surrogate_names(world: World) -> tuple[str, ...]:
    """All of a run's surrogates: the source first, then quantized files, then other networks."""
    further = [name for name, _ in map(named_surrogate, world.spec.attacks.surrogates)]
    return tuple(dict.fromkeys([SOURCE, *files_of(world).values(), *further]))


def load_networks(world: LoadedWorld) -> dict[str, Network]:
    """The networks of --surrogate, by name, each fed as its file says, else as the flags do.

    UsageError for one that does not take images of the same size, and what loading and labelling raise.
    """
    model, data = world.model, world.data
    found = {}
    for name, source in map(named_surrogate, world.spec.attacks.surrogates):
        network = _load(source, world.spec)
        if network.contract.size != model.contract.size:
            raise UsageError(
                f"--surrogate {name} takes images of {_spell(network.contract.size)} px, {model.name} of "
                f"{_spell(model.contract.size)}: adversarial images must fit both."
            )
        label_of = labeller(network.classes, network.class_names, world.spec.source.classes)
        same = Selection(open_source(world.path, network.classes, label_of), data.indices)
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

"""Which models a run's attacks may be made on, by the names that condition ids give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError, of_which
from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.ids import QDQ, SOURCE, AttackId, Surrogates, names_file
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Network, World
from seatrial.harness.data import Selection, labeller, open_source
from seatrial.harness.spec.attacks import named_surrogate
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, TargetSpec
from seatrial.harness.spec.variants import named_variant


def files_of(world: World) -> dict[TargetSpec, str]:
    """The surrogate that is each target's own file. Of the model: `fp32` where its arithmetic is a float's, else `qdq`,
    or `qdq-ENGINE-PRECISION` where the targets run several quantized files. Of a variant: its name, or
    `NAME-ENGINE-PRECISION` where the file is quantized here.

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
    quantized = _quantized(files)
    return {target: QDQ if name in quantized and len(quantized) == 1 else name for target, name in files.items()}


def _quantized(files: Mapping[TargetSpec, str]) -> set[str]:
    """The model's own quantized files."""
    return {name for target, name in files.items() if target.variant is None and name != SOURCE}


def _file_of_variant(target: TargetSpec, world: World) -> str:
    name, engine = str(target.variant), ENGINES[target.engine]
    own = world.variants[name].precision if name in world.variants else target.precision
    if not is_quantized(target.precision) or target.precision == own or not engine.executes_graph:
        return name
    return f"{name}-{engine.recipe(target.device)}-{target.precision}"


def surrogates_of(world: World) -> Surrogates:
    """All of a run's surrogates: the source first, then the files of its targets, then other networks."""
    files = files_of(world)
    own = dict.fromkeys([SOURCE, *files.values(), *_of_unloaded(world)])
    further = [name for name, _ in map(named_surrogate, world.spec.attacks.surrogates)]
    names = tuple(dict.fromkeys([*own, *further]))
    return Surrogates(names, frozenset(own), frozenset(_quantized(files)))


def _of_unloaded(world: World) -> Iterator[str]:
    """What files of variants there may be; which, hangs on what is in them."""
    for name, _ in map(named_variant, world.spec.source.variants):
        if name in world.variants:
            continue
        yield name
        for target in world.targets:
            if target.variant is None and is_quantized(target.precision) and ENGINES[target.engine].executes_graph:
                yield f"{name}-{ENGINES[target.engine].recipe(target.device)}-{target.precision}"


def is_asked(attack: AttackId, target: TargetSpec, world: LoadedWorld) -> bool:
    """Whether a target is asked about an attack's images.

    Those made on the source, on networks of --surrogate and by queries are for all; those made on another file of the
    model, for all of its targets; those made on a file of a variant, for the targets that run this file. The reference
    is asked about all, and all targets about those whose file a glob names. Images that are no 8-bit ones are not for
    a target that takes integers.
    """
    if not attack.eight_bit and world.model_of(target).contract.dtype == "uint8":
        return False
    if attack.surrogate in (None, SOURCE) or target == REFERENCE:
        return True
    files = files_of(world)
    owners = [one for one, name in files.items() if name == attack.surrogate]
    if not owners or target in owners or (target.variant is None and any(one.variant is None for one in owners)):
        return True
    known = surrogates_of(world)
    return any(names_file(glob, attack, known) for glob in world.spec.conditions.for_all)


def what_it_is(name: str, world: LoadedWorld) -> Any:
    """What images are made on, for keys: the source (None), another network, or the file of a target."""
    if name in world.networks:
        return {"digest": world.networks[name].model.digest}
    if name in world.variants:
        variant = world.variants[name]
        return {"digest": variant.digest, "contract": variant.contract.to_dict()}
    owners = [target for target, file in files_of(world).items() if file == name]
    return None if name == SOURCE or not owners else world.of_targets[owners[0].id]


def load_networks(world: LoadedWorld) -> dict[str, Network]:
    """The networks of --surrogate, by name, each fed as its file says, else as the flags do.

    UsageError for one that does not take images of the same size, and what loading and labelling raise.
    """
    model, data = world.model, world.data
    found = {}
    for name, source in map(named_surrogate, world.spec.attacks.surrogates):
        with of_which(f"--surrogate {name}"):
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

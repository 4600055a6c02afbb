"""Other files of the same task, tested beside the model: loaded, checked against it, and the targets that they give."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.engines.precision import is_quantized
from seatrial.errors import BadInputError, UsageError, of_which
from seatrial.exporters import ContractOptions, DeployableModel, InputContract, OnnxSource
from seatrial.exporters.onnx_file import read_proto
from seatrial.harness.plan.origin import carried_contract
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.targets import REFERENCE, TargetSpec
from seatrial.harness.spec.variants import named_variant


def load_variants(source: ModelSource, model: DeployableModel) -> dict[str, DeployableModel]:
    """The files of --variant by name, in their order. Each is fed the numbers that it says itself (colour order,
    scaling, layout, dtype), else the model's; pictures are the model's, on which all targets are asked.

    Raises what `exporters.load` raises, and BadInputError for a file that is of another task.
    """
    found = {}
    for name, file in map(named_variant, source.variants):
        with of_which(f"--variant {name}"):
            try:
                contract = _contract(file, source.contract, model.contract)
                variant = exporters.load(file, contract=contract, output=_output(file, source.output))
            except UsageError as error:
                raise UsageError(f"It cannot be asked what {model.name} is asked: {error}") from error
        check_same_task(name, variant, model)
        found[name] = variant
    return found


def _contract(file: str, given: ContractOptions, of_model: InputContract) -> InputContract:
    """What the flags say of pictures is said of all files; what they say of numbers, of the model alone."""
    carried = carried_contract(file)
    if carried is None:
        return of_model
    meant = given.resolve(carried) or carried
    return dataclasses.replace(carried, **{name: getattr(meant, name) for name in _pictures(carried)})


def _output(file: str, asked: str | None) -> str | None:
    """--output is the model's: another file may call its scores otherwise, and have no others."""
    source = exporters.open_source(file)
    if asked is None or not isinstance(source, OnnxSource):
        return asked
    return asked if asked in [value.name for value in read_proto(source.path).graph.output] else None


def check_same_task(name: str, variant: DeployableModel, model: DeployableModel) -> None:
    """BadInputError where the two are not asked about the same pictures, or not the same classes."""
    alone = f"Run {variant.name} by itself, and put `compare` beside both runs."
    own, asked = _pictures(variant.contract), _pictures(model.contract)
    idle = _idle(model.contract)
    for field, value in own.items():
        if field not in idle and value != asked[field]:
            raise BadInputError(
                f"--variant {name} wants other pictures than {model.name}: its input contract says {field} {value}, "
                f"not {asked[field]}. All targets of a run are asked about the same pictures. {alone}"
            )
    if variant.contract.channels != model.contract.channels:
        raise BadInputError(
            f"--variant {name} takes {variant.contract.channels} channels, {model.name} {model.contract.channels}. "
            f"{alone}"
        )
    if variant.classes != model.classes:
        raise BadInputError(
            f"--variant {name} has {variant.classes} classes, {model.name} {model.classes}: another task."
        )
    if None not in (variant.class_names, model.class_names) and variant.class_names != model.class_names:
        raise BadInputError(f"--variant {name} names its classes otherwise than {model.name}, or in another order.")


def targets_with_variants(
    asked: Sequence[TargetSpec], variants: Mapping[str, DeployableModel]
) -> tuple[TargetSpec, ...]:
    """What is asked, and behind it the targets of each variant, wherever the model's are asked for: a quantized file
    at its own precision, a float one in fp32 and at the precisions that are asked for. Engines that run no file of ours
    have none.

    UsageError for a target of a variant that is not there.
    """
    for target in asked:
        if target.variant is not None and target.variant not in variants:
            raise UsageError(
                f"{target.id}: there is no variant {target.variant}. Give --variant {target.variant}=FILE."
            )
    own = [target for target in asked if target.variant is None and ENGINES[target.engine].executes_graph]
    beside = [target for target in own if target != REFERENCE]
    named = {target.variant for target in asked}
    made: list[TargetSpec] = []
    for name, model in variants.items():
        for target in beside or ([] if name in named else own):
            precisions = [model.precision] if is_quantized(model.precision) else ["fp32", target.precision]
            made.extend(dataclasses.replace(target, precision=one, variant=name) for one in precisions)
    return tuple(dict.fromkeys((*asked, *made)))


def _idle(contract: InputContract) -> set[str]:
    """Fields of the pictures' side that change no picture under this rule."""
    needed = {"interpolation": contract.resize != "none", "crop_offset": contract.crops}
    needed["pad_value"] = contract.resize == "letterbox"
    return {name for name, counts in needed.items() if not counts}


def _pictures(contract: InputContract) -> dict[str, object]:
    names = contract.image_side()
    return {name: getattr(contract, name) for name in names}


def about_variants(variants: Mapping[str, DeployableModel]) -> list[str]:
    """What users should know of how each file is read, a sentence each."""
    return said_of_variants({name: model.notes for name, model in variants.items()})


def said_of_variants(notes: Mapping[str, Iterable[str]]) -> list[str]:
    """The sentences of each variant by name, those that several have in common once.

    >>> said_of_variants({"a": ["It is gray."], "b": ["It is gray.", "It is small."]})
    ['Variants a, b: It is gray.', 'Variant b: It is small.']
    """
    names: dict[str, list[str]] = {}
    for name, sentences in notes.items():
        for sentence in dict.fromkeys(sentences):
            names.setdefault(sentence, []).append(name)
    return [f"Variant{'s' if len(by) > 1 else ''} {', '.join(by)}: {sentence}" for sentence, by in names.items()]

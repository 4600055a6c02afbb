"""Pipeline conditions: one step between the stored image and the engine done as another library or device does it.

SysNoise (Wang et al., MLSys 2023) calls the differences system noise. Ids are `pipeline/FACTOR=OPTION`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seatrial.exporters import DeployableModel, InputContract
from seatrial.exporters.contract import CROP_OFFSETS, DECODERS, INTERPOLATIONS, ORIENTATIONS
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.conditions.color import COLORS
from seatrial.harness.conditions.condition import Condition, Transform
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import decoders, resizers
from seatrial.harness.pipeline.numbers import NUMBERS

PREFIX = "pipeline/"
COMBINED = "pipeline/combined"
# In the order in which an image meets them, which is that of tables and of the stack.
FACTORS = ("decode", "orientation", "resize", "rule", "crop", "color", "input", "graph")
RULES = ("exact", "squash-crop", "letterbox")
# Why an option is no question that is not worth a word.
OWN = "it is what the contract says"
_CROPPED = ("short-side", "squash-crop")


@dataclasses.dataclass(frozen=True)
class Questions:
    """The pipeline conditions that a model and its images give sense to, by id in the order of reports; and why the
    others have none.
    """

    conditions: Mapping[str, Condition]
    refused: Mapping[str, str]


def known_pipeline_ids() -> list[str]:
    """Every id there is."""
    options: dict[str, Iterable[str]] = {
        "decode": DECODERS,
        "orientation": ORIENTATIONS,
        "resize": INTERPOLATIONS,
        "rule": RULES,
        "crop": CROP_OFFSETS,
        "color": COLORS,
        "input": NUMBERS,
        "graph": REWRITES,
    }
    return [*(f"{PREFIX}{factor}={option}" for factor in FACTORS for option in options[factor]), COMBINED]


def pipeline_questions(model: DeployableModel, *, encoded: bool, sized: bool) -> Questions:
    """What can be asked of `model`.

    encoded: the images are stored as files, not as arrays. sized: they all have the model's size already.
    """
    contract = model.contract
    conditions: dict[str, Condition] = {}
    refused: dict[str, str] = {}
    for condition_id in known_pipeline_ids():
        if condition_id == COMBINED:
            continue
        factor, _, option = condition_id.removeprefix(PREFIX).partition("=")
        found = _MAKERS[factor](condition_id, option, _World(model, contract, encoded, sized))
        if isinstance(found, str):
            refused[condition_id] = found
        else:
            conditions[condition_id] = found
    return Questions(conditions, refused)


def stacked(name: str, parts: Sequence[Condition]) -> Condition:
    """All of `parts` at once, under the id `name`; of two that change the same, the later one holds."""
    fields = dict(pair for part in parts for pair in part.contract)
    transforms = [part.transform for part in parts if part.transform is not None]
    numbers = [part.numbers for part in parts if part.numbers is not None]
    return Condition(
        name,
        transform=functools.partial(_one_after_the_other, tuple(transforms)) if transforms else None,
        contract=tuple(sorted(fields.items())),
        reencode=any(part.reencode for part in parts),
        enlarge=any(part.enlarge for part in parts),
        numbers=numbers[-1] if numbers else None,
        rewrites=tuple(name for part in parts for name in part.rewrites),
        parts=tuple(part.id for part in parts),
    )


@dataclasses.dataclass(frozen=True)
class _World:
    model: DeployableModel
    contract: InputContract
    encoded: bool
    sized: bool


def _decode(name: str, option: str, world: _World) -> Condition | str:
    if world.encoded and option == world.contract.decoder:
        return OWN
    reason = decoders.unavailable(option)
    if reason is not None:
        return reason
    return Condition(name, contract=(("decoder", option),), reencode=not world.encoded)


def _orientation(name: str, option: str, world: _World) -> Condition | str:
    if not world.encoded:
        return "arrays carry no EXIF orientation"
    if option == world.contract.orientation:
        return OWN
    return Condition(name, contract=(("orientation", option),))


def _resize(name: str, option: str, world: _World) -> Condition | str:
    reason = resizers.unavailable(option)
    if reason is not None:
        return reason
    if world.sized:
        return Condition(
            name, contract=(("interpolation", option), ("resize", "exact"), ("resize_to", None)), enlarge=True
        )
    if option == world.contract.interpolation:
        return OWN
    return Condition(name, contract=(("interpolation", option),))


def _rule(name: str, option: str, world: _World) -> Condition | str:
    if world.sized:
        return "the images have the model's size already"
    if option == world.contract.resize:
        return OWN
    if option == "squash-crop":
        if world.contract.resize_to is None:
            return "the contract crops nothing"
        return Condition(name, contract=(("resize", option),))
    return Condition(name, contract=(("resize", option), ("resize_to", None)))


def _crop(name: str, option: str, world: _World) -> Condition | str:
    if world.contract.resize not in _CROPPED:
        return "the contract crops nothing"
    if option == world.contract.crop_offset:
        return OWN
    return Condition(name, contract=(("crop_offset", option),))


def _color(name: str, option: str, world: _World) -> Condition | str:
    change = COLORS[option]
    return Condition(name, transform=functools.partial(_without_chance, change))


def _input(name: str, option: str, world: _World) -> Condition | str:
    reason = NUMBERS[option].refuses(world.contract)
    return Condition(name, numbers=option) if reason is None else reason


def _graph(name: str, option: str, world: _World) -> Condition | str:
    found = REWRITES[option](world.model)
    return found if isinstance(found, str) else Condition(name, rewrites=(option,))


_MAKERS = {
    "decode": _decode,
    "orientation": _orientation,
    "resize": _resize,
    "rule": _rule,
    "crop": _crop,
    "color": _color,
    "input": _input,
    "graph": _graph,
}


def _without_chance(change: object, image: Pixels, rng: np.random.Generator) -> Pixels:
    return change(image)  # type: ignore[operator, no-any-return]


def _one_after_the_other(changes: tuple[Transform, ...], image: Pixels, rng: np.random.Generator) -> Pixels:
    for change in changes:
        image = change(image, rng)
    return image

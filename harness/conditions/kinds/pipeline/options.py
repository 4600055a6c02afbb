"""Pipeline conditions: one step between the stored image and the engine done as another library or device does it.

SysNoise (Wang et al., MLSys 2023) calls the differences system noise.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from seatrial.exporters import DeployableModel, InputContract
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.pipeline.ids import COMBINED, PREFIX, known_pipeline_ids, singles_of
from seatrial.harness.conditions.kinds.pipeline.stack import stacked
from seatrial.harness.data.source import DataSource, Pixels
from seatrial.harness.pipeline import decoders, resizers
from seatrial.harness.pipeline.color import COLORS
from seatrial.harness.pipeline.numbers import NUMBERS

# Why an option is left out that is not worth a word.
AS_CONTRACT = "it is what the contract says"
_CROPPED = ("short-side", "squash-crop")


@dataclasses.dataclass(frozen=True)
class Options:
    """The pipeline conditions that a model and its images give sense to, by id in the order of reports; and why the
    others have none.
    """

    conditions: Mapping[str, Condition]
    refused: Mapping[str, str]


def pipeline_options(
    model: DeployableModel, *, encoded: bool, sized: bool, among: Collection[str] | None = None
) -> Options:
    """Which options there are for `model`.

    encoded: the images are stored as files, not as arrays. sized: they all have the model's size already. among: ids
    that are looked at, None for all: a look at a decoder imports its library.
    """
    contract = model.contract
    conditions: dict[str, Condition] = {}
    refused: dict[str, str] = {}
    for condition_id in known_pipeline_ids():
        if condition_id == COMBINED or (among is not None and condition_id not in among):
            continue
        factor, _, option = condition_id.removeprefix(PREFIX).partition("=")
        found = _MAKERS[factor](condition_id, option, _Given(model, contract, encoded, sized))
        if isinstance(found, str):
            refused[condition_id] = found
        else:
            conditions[condition_id] = found
    return Options(conditions, refused)


def with_combinations(options: Options, ids: Iterable[str]) -> Options:
    """The options, and behind them those of `ids` that are a decoder and a filter together (`singles_of`)."""
    conditions, refused = dict(options.conditions), dict(options.refused)
    for name in ids:
        singles = singles_of(name)
        if singles is None:
            continue
        parts = [options.conditions[one] for one in singles if one in options.conditions]
        if len(parts) == len(singles):
            conditions[name] = dataclasses.replace(stacked(name, parts), parts=())
            continue
        reasons = [options.refused[one] for one in singles if options.refused.get(one, AS_CONTRACT) != AS_CONTRACT]
        # What is left of it beside the contract's own is another condition, or the clean images.
        refused[name] = reasons[0] if reasons else AS_CONTRACT
    return Options(conditions, refused)


def has_model_size(contract: InputContract, source: DataSource) -> bool:
    """Whether all images have the model's size: known of arrays, and of files that the contract does not resize."""
    return contract.resize == "none" or (source.image_size == contract.size and not contract.crops)


@dataclasses.dataclass(frozen=True)
class _Given:
    model: DeployableModel
    contract: InputContract
    encoded: bool
    sized: bool


def _decode(name: str, option: str, given: _Given) -> Condition | str:
    if given.encoded and option == given.contract.decoder:
        return AS_CONTRACT
    reason = decoders.unavailable(option)
    if reason is not None:
        return reason
    return Condition(name, contract=(("decoder", option),), reencode=not given.encoded)


def _orientation(name: str, option: str, given: _Given) -> Condition | str:
    if not given.encoded:
        return "arrays carry no EXIF orientation"
    if option == given.contract.orientation:
        return AS_CONTRACT
    return Condition(name, contract=(("orientation", option),))


def _resize(name: str, option: str, given: _Given) -> Condition | str:
    reason = resizers.unavailable(option)
    if reason is not None:
        return reason
    if given.sized:
        return Condition(
            name, contract=(("interpolation", option), ("resize", "exact"), ("resize_to", None)), enlarge=True
        )
    if option == given.contract.interpolation:
        return AS_CONTRACT
    return Condition(name, contract=(("interpolation", option),))


def _rule(name: str, option: str, given: _Given) -> Condition | str:
    if given.sized:
        return "the images have the model's size already"
    if option == given.contract.resize:
        return AS_CONTRACT
    if option == "squash-crop":
        if given.contract.resize_to is None:
            return "the contract crops nothing"
        return Condition(name, contract=(("resize", option),))
    return Condition(name, contract=(("resize", option), ("resize_to", None)))


def _crop(name: str, option: str, given: _Given) -> Condition | str:
    if given.contract.resize not in _CROPPED:
        return "the contract crops nothing"
    if option == given.contract.crop_offset:
        return AS_CONTRACT
    return Condition(name, contract=(("crop_offset", option),))


def _color(name: str, option: str, given: _Given) -> Condition | str:
    change = COLORS[option]
    return Condition(name, transform=functools.partial(_without_chance, change))


def _input(name: str, option: str, given: _Given) -> Condition | str:
    reason = NUMBERS[option].refuses(given.contract)
    return Condition(name, numbers=option) if reason is None else reason


def _graph(name: str, option: str, given: _Given) -> Condition | str:
    found = REWRITES[option](given.model)
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

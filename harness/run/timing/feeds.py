"""Which pipelines are timed from the stored image to the answer: the model's own, and those of pipeline conditions."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.errors import UsageError
from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.pipeline.ids import COMBINED, factor_of, known_pipeline_ids
from seatrial.harness.conditions.kinds.pipeline.options import AS_CONTRACT, has_model_size, pipeline_options
from seatrial.harness.data.source import Payload, Pixels
from seatrial.harness.pipeline.decoders import decode
from seatrial.harness.pipeline.decoders.header import opened
from seatrial.harness.pipeline.feeding import ImageFeeder, Way
from seatrial.harness.pipeline.numbers import NUMBERS
from seatrial.harness.pipeline.originals import enlarged, reencoded
from seatrial.harness.plan.passes import reading_of
from seatrial.harness.plan.plan import Plan

CONTRACT = "contract"
ARRAY = "array"
# What is sent to an engine's process and kept there, unless one image is larger.
_MOST_BYTES = 128 << 20


@dataclasses.dataclass(frozen=True)
class Feeds:
    """pipelines: `contract` and conditions, by name, in the order of reports. notes: what was left out, and why."""

    pipelines: dict[str, Condition]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.pipelines)

    def __len__(self) -> int:
        return len(self.pipelines)


@dataclasses.dataclass(frozen=True)
class Fed:
    """Images as they are fed. way: how. payloads: what is sent; kind: `array`, or the files' formats, as in `jpeg`."""

    way: Way
    payloads: tuple[Payload, ...]
    kind: str

    @property
    def description(self) -> dict[str, Any]:
        """As `harness.pipeline.feeding.feeder` takes it."""
        return {"way": self.way.to_dict(), "names": [payload.where for payload in self.payloads]}

    @property
    def arrays(self) -> list[npt.NDArray[np.uint8]]:
        """Files as uint8 [bytes], or pixels [H, W, 3]."""
        return [
            np.frombuffer(one.content, np.uint8) if isinstance(one.content, bytes) else one.content
            for one in self.payloads
        ]

    @property
    def feeder(self) -> ImageFeeder:
        """The same in this process."""
        return ImageFeeder(self.way, self.payloads)


def feeds_of(plan: Plan, patterns: Sequence[str]) -> Feeds:
    """patterns: `contract`, ids of pipeline conditions, globs over them.

    UsageError, that lists them, for one that matches none, and with the reason where nothing that it matches has a
    sense for this model and these images.
    """
    known = [CONTRACT, *known_pipeline_ids()]
    asked = {pattern: fnmatch.filter(known, pattern) for pattern in patterns}
    for pattern, names in asked.items():
        if not names:
            raise UsageError(f"--end-to-end {pattern!r} matches no pipeline. Known: {', '.join(known)}.")
    wanted = {name for names in asked.values() for name in names}
    found, refused = _options(plan, wanted)
    for pattern, names in asked.items():
        if not any(name in found for name in names):
            raise UsageError(f"--end-to-end {pattern!r} cannot be timed: {names[0]}: {refused[names[0]]}.")
    notes = _left_out({name: refused[name] for name in known if refused.get(name, AS_CONTRACT) != AS_CONTRACT})
    return Feeds({name: found[name] for name in known if name in found}, notes)


def _left_out(refused: Mapping[str, str]) -> tuple[str, ...]:
    of: dict[str, list[str]] = {}
    for name, why in refused.items():
        of.setdefault(why.rstrip("."), []).append(name)
    told = "; ".join(f"{', '.join(names)} ({why})" for why, names in of.items())
    return (f"Left out of what is timed from the stored image on: {told}.",) if told else ()


def _options(plan: Plan, wanted: set[str]) -> tuple[dict[str, Condition], dict[str, str]]:
    """Those that can be timed, and why the others cannot."""
    found = {CONTRACT: Condition(CONTRACT)} if CONTRACT in wanted else {}
    names = wanted - {CONTRACT}
    if plan.released is not None:
        return found, dict.fromkeys(names, "the images come corrupted, as they are at the model's size")
    source, contract = plan.data.source, plan.model.contract
    refused: dict[str, str] = {}
    if COMBINED in names:
        refused[COMBINED] = "what it stacks is known once the others are answered"
    for name in names:
        if factor_of(name) == "graph":
            refused[name] = "it changes the graph, not what the engine is fed"
    asked = names - refused.keys()
    options = pipeline_options(plan.model, encoded=source.encoded, sized=has_model_size(contract, source), among=asked)
    return {**found, **options.conditions}, {**refused, **options.refused}


def stored(plan: Plan, count: int) -> list[Payload]:
    """The first images of the run as they are stored, in its order: `count` at most, one at least."""
    selection = plan.data if plan.released is None else plan.released[plan.conditions[0].id]
    found = sorted(selection.stream(0, min(count, len(selection))), key=lambda one: one[0])
    return [payload for _, payload in found]


def feed(plan: Plan, condition: Condition, contract: InputContract, payloads: Sequence[Payload]) -> Fed:
    """contract: of the target. payloads: as they are stored. What no device does (an array made a file, an image
    enlarged) is done before; of images that are enlarged, decoding, too.
    """
    reading = reading_of(condition, _image_side(plan))
    made = []
    for payload in payloads:
        given = reencoded(payload) if reading.reencode else payload
        if reading.enlarge:
            pixels: Pixels = enlarged(decode(given, reading.contract.decoder, reading.contract.orientation))
            given = Payload(given.where, pixels)
        made.append(given)
    sizes = np.cumsum([len(one.content) if isinstance(one.content, bytes) else one.content.nbytes for one in made])
    kept = tuple(made[: max(1, int(np.count_nonzero(sizes <= _MOST_BYTES)))])
    encoded = isinstance(kept[0].content, bytes)
    name = condition.numbers
    way = Way(
        reading.contract,
        contract,
        encoded=encoded,
        color=condition.id.partition("=")[2] if factor_of(condition.id) == "color" else None,
        numbers=None if name is None or NUMBERS[name].refuses(contract) is not None else name,
        threads=plan.spec.targets.threads,
    )
    return Fed(way, kept, _formats(kept) if encoded else ARRAY)


def _image_side(plan: Plan) -> InputContract:
    contract = plan.model.contract
    return contract if plan.released is None else dataclasses.replace(contract, resize="none", resize_to=None)


def _formats(payloads: Sequence[Payload]) -> str:
    """As in `jpeg`, or `jpeg, png`; `unknown` for what is no image, of which the decoder has more to say."""
    found = set()
    for payload in payloads:
        assert isinstance(payload.content, bytes)
        try:
            with opened(payload.content) as image:
                found.add(str(image.format).lower())
        except Exception:  # Pillow raises what it likes
            found.add("unknown")
    return ", ".join(sorted(found))

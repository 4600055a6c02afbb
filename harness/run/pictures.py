"""What devices saw of single images, made anew from the stored ones: without any engine, and without the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from seatrial.cache import cache_root
from seatrial.errors import DamagedError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Finished, Kind
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.data import Selection
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageReader, SourceReader
from seatrial.harness.pipeline.originals import Originals
from seatrial.harness.pipeline.readings import read_all
from seatrial.harness.plan.passes import reading_of
from seatrial.harness.plan.plan import Plan


class Pictures:
    """Of some images of a run, by position; each is decoded once as it is, and once for each way of reading it."""

    def __init__(self, plan: Plan, finished: Finished, positions: Sequence[int]) -> None:
        self._plan, self._finished = plan, finished
        self._positions = sorted(set(positions))
        self._clean: Mapping[int, Pixels] | None = None

    def clean(self, position: int) -> Pixels | None:
        """uint8 [H, W, 3] at the model's size; None of data that came corrupted."""
        if self._plan.released is not None:
            return None
        if self._clean is None:
            chosen = _chosen(self._plan.data, self._positions)
            read = SourceReader(chosen, self._plan.model.contract).read(0, len(chosen))
            self._clean = dict(zip(self._positions, read, strict=True))
        return self._clean[position]

    def seen(self, condition: Condition, target: str, position: int) -> Pixels | None:
        """What that target saw; float32 of the same range where no 8 bits hold it. None where nothing tells."""
        found = self._before(condition, target, position)
        if found is None:
            return None
        image = self._plan.data.source.ids[self._plan.data.indices[position]]
        changed: Pixels = condition.apply(found[None], [image], self._plan.spec.seed)[0]
        return changed

    def _before(self, condition: Condition, target: str, position: int) -> Pixels | None:
        """The same before the condition's `transform`."""
        plan, contract = self._plan, self._plan.model.contract
        if plan.released is not None:
            as_they_are = dataclasses.replace(contract, resize="none", resize_to=None)
            return _one(SourceReader(_chosen(plan.released[condition.id], [position]), as_they_are), 0)
        if condition.from_source:
            reading = reading_of(condition, contract)
            with Originals(_chosen(plan.data, [position]), cache_root() / "scratch", workers=1) as originals:
                found: Pixels = read_all(originals, 0, 1, [reading])[reading][0]
                return found
        kind = kind_of(condition.id)
        if type(kind).run is Kind.run:
            return self.clean(position)
        asked = next(one for one in plan.targets if one.id == target)
        try:
            reader = kind.seen(condition, asked, self._finished, SourceReader(plan.data, contract))
            return None if reader is None else _one(reader, position)
        except DamagedError:
            return None  # the cache was emptied since


def _one(reader: ImageReader, position: int) -> Pixels:
    found: Pixels = reader.read(position, position + 1)[0]
    return found


def _chosen(selection: Selection, positions: Sequence[int]) -> Selection:
    digests = selection.digests
    return dataclasses.replace(
        selection,
        indices=tuple(selection.indices[position] for position in positions),
        digests=None if digests is None else tuple(digests[position] for position in positions),
    )

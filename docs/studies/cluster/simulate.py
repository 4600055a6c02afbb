"""A run on many nodes, from the unit costs that measure.py found: who does what when, without doing it.

Work is counted in seconds of one core. A node does one piece at a time on all its cores, so that a piece takes its
work over the cores, times how fast that node is, times the chance of its images.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.plan.parts import dealt

Costs = Mapping[str, Any]
# Images that are answered together, and those of ImageNet's size that a core attacks together.
_BATCH, _CHUNK = 32, 8


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is not measured, and is to be changed at will.

    images: of the test set; calibration: of those that files are made on. cores: of a node. price: of a core for an
    hour. read_mb, shared_mb: megabytes that a node reads in a second, and that the shared storage gives to all of them.
    driver_mb: that the driver's network carries. speed: how far nodes that are sold as one kind differ, a standard
    deviation of the logarithm. slice_s: work that Ray's nodes are given at once, make_s: of adversarial images; give_s:
    what giving it takes the driver; repeat: the share that is asked again elsewhere.
    """

    images: int = 50_000
    calibration: int = 500
    cores: int = 8
    price: float = 0.04
    read_mb: float = 200.0
    shared_mb: float = 5000.0
    driver_mb: float = 1000.0
    speed: float = 0.05
    slice_s: float = 4.0
    make_s: float = 30.0
    repeat: float = 0.01
    give_s: float = 0.002
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Group:
    """Conditions that share their images. image_s: work for one image to be made, answer_s: to be answered by all
    targets; spread: standard deviation of the whole between images. made_s: of image_s, what an attack takes. count:
    conditions. effort: as shards are dealt by.
    """

    name: str
    count: int
    image_s: float
    answer_s: float
    made_s: float
    spread: float
    effort: float

    @property
    def whole_s(self) -> float:
        """Work for one image."""
        return self.image_s + self.answer_s


def scaled(costs: Costs, network: float) -> dict[str, Any]:
    """The costs of a network of so many times the work, fed with the same images."""

    def times(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: times(one) for name, one in value.items()}
        return [times(one) for one in value] if isinstance(value, list) else network * value

    own = {name: times(costs["seconds"][name]) for name in ("engines", "gradient", "build", "found")}
    return {**costs, "seconds": {**costs["seconds"], **own}}


def groups_of(costs: Costs, most: int | None = None) -> list[Group]:
    """In the order of a run, at most `most` conditions together, None for all that are read together. Stacked pipeline
    conditions, of which there are at most five, each decode the images once for each part.
    """
    seconds, passes = costs["seconds"], {}
    for one in costs["conditions"]:
        passes.setdefault(one["pass"], []).append(one)
    answer = sum(map(statistics.fmean, seconds["engines"].values())) + statistics.fmean(seconds["normalise"])
    groups = []
    for name, found in passes.items():
        for at in range(0, len(found), most or len(found)):
            members = found[at : at + (most or len(found))]
            reading = [
                decode + (one - decode) * len(members) / len(found)
                for one, decode in zip(seconds["readings"].get(name, []), seconds["decode"], strict=False)
            ]
            groups.append(_group(costs, members, reading, answer))
    decode, clean = statistics.fmean(seconds["decode"]), groups[0]
    stacks = [
        dataclasses.replace(clean, name=f"pipeline/combined@{count}", image_s=count * decode) for count in range(1, 6)
    ]
    return [*groups, *stacks]


def _group(costs: Costs, members: Sequence[Costs], reading: Sequence[float], answer: float) -> Group:
    change = [costs["seconds"]["changing"].get(one["id"], [0.0]) for one in members]
    made = sum(attack_s(costs, one) for one in members)
    image = made + (statistics.fmean(reading) if reading else 0.0) + sum(map(statistics.fmean, change))
    spread = math.hypot(_sd(reading), *(_sd(one) for one in change))
    effort = sum(one["effort"] for one in members) + (1.0 if reading else 0.0)
    return Group(members[0]["id"], len(members), image, answer * len(members), made, spread, effort)


def attack_s(costs: Costs, one: Mapping[str, Any]) -> float:
    """At most: images that have fallen are left alone. Square asks every target by itself."""
    if "gradients" not in one:
        return 0.0
    seconds = costs["seconds"]
    gradient = statistics.fmean(seconds["gradient"].get(str(one["surrogate"]), seconds["gradient"]["fp32"]))
    asked = 0.0 if one["surrogate"] is not None else sum(map(statistics.fmean, seconds["engines"].values()))
    return float(one["gradients"] * gradient + one["queries"] * asked)


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """hours: from the first node's start to the last answer. setup_h: of it, the longest set-up. efficiency: the work,
    without set-up, as a share of what all cores could do meanwhile. moved_gb: over the network. cost: of all nodes, as
    long as the last one works. bound: what holds it up.
    """

    nodes: int
    hours: float
    setup_h: float
    efficiency: float
    moved_gb: float
    cost: float
    bound: str


class Simulation:
    """costs: as measure.py wrote them. groups: the work, all of it or some."""

    def __init__(self, costs: Costs, groups: Sequence[Group], setting: Setting = Setting()) -> None:
        self.costs, self.groups, self.setting = costs, list(groups), setting

    @property
    def work_s(self) -> float:
        """Of one core."""
        return sum(one.whole_s for one in self.groups) * self.setting.images

    def _speeds(self, nodes: int) -> list[float]:
        rng = random.Random(f"{self.setting.seed} {nodes}")  # noqa: S311
        return [math.exp(rng.gauss(0.0, self.setting.speed)) for _ in range(nodes)]

    def _data_mb(self) -> float:
        return self.setting.images * float(self.costs["bytes"]["image"]) / 1e6

    def _start_s(self, nodes: int, data_mb: float, decoded: int, *, found: bool) -> float:
        """A node's: the package, files and engines on one core, its images read, so many of them decoded. found: the
        quantized files lie in a cache that all share.
        """
        setting, seconds = self.setting, self.costs["seconds"]
        decode = statistics.fmean(seconds["decode"])
        quantizing = seconds["build"] - seconds["found"]
        made = seconds["found"]
        if not found:
            made += quantizing * max(1.0, setting.calibration / 200)  # the measured one calibrates on 200 images
        reading = data_mb / min(setting.read_mb, setting.shared_mb / nodes)
        return float(seconds["start"] + made + max(reading, decoded * decode / setting.cores))

    def shards(self, nodes: int) -> Outcome:
        """`--shard K/N`: whole conditions, dealt before anything starts; every node reads and decodes all images."""
        setting = self.setting
        numbers, speeds = dealt([one.effort for one in self.groups], nodes), self._speeds(nodes)
        data = self._data_mb()
        start = self._start_s(nodes, data, setting.images, found=False)
        loads = [0.0] * nodes
        for one, number in zip(self.groups, numbers, strict=True):
            loads[number - 1] += one.whole_s * setting.images
        ends = [start * speed + load * speed / setting.cores for load, speed in zip(loads, speeds, strict=True)]
        rows = self._rows_mb()
        merged = rows / setting.read_mb + self._file_s()
        longest = max(one.whole_s for one in self.groups) * setting.images / setting.cores
        bound = self._bound(nodes, start, longest, max(ends))
        return self._outcome(nodes, max(ends) + merged, start, data * nodes + rows, bound)

    def slices(self, nodes: int) -> Outcome:
        """Ray: slices of a condition's images, given to whoever is free; a node decodes the images that are its home.
        The driver reads and decodes all of them, and makes all files, before the nodes begin. Adversarial images are
        made before they are answered, those on surrogates together, those that an engine is asked for engine by
        engine; each time the last is waited for. The driver looks at each, and files it.
        """
        setting = self.setting
        data = self._data_mb()
        driver = self._start_s(1, data, setting.images, found=False)
        start = driver + self._start_s(nodes, data / nodes, setting.images // nodes, found=True)
        attacks = [one for one in self.groups if one.made_s]
        end = self._listed(nodes, [one for one in self.groups if one not in attacks], start)
        sent, taken = 0.0, 0.0
        for part in self._together(attacks):
            took = len(part) * setting.images * statistics.fmean(self.costs["seconds"]["taking"]) / setting.cores
            chunks = len(part) * setting.images * self.costs["bytes"]["chunk"] / 1e6
            made = [dataclasses.replace(one, image_s=one.made_s, answer_s=0.0) for one in part]
            least = max(took, chunks / setting.driver_mb)
            end += max(self._listed(nodes, made, 0.0, setting.make_s, _CHUNK), least)
            answers = [dataclasses.replace(one, image_s=one.image_s - one.made_s, made_s=0.0) for one in part]
            end += self._listed(nodes, answers, 0.0)
            sent, taken = sent + chunks, taken + least
        bound = "the driver takes in adversarial images" if taken > 0.5 * end else self._bound(nodes, start, 0.0, end)
        return self._outcome(nodes, max(end, self._file_s()), start, data + sent + self._rows_mb(), bound)

    def _together(self, attacks: Sequence[Group]) -> list[list[Group]]:
        """Those that are made before any of them is answered: on surrogates, then on one engine after the other."""
        searched = [one for one in attacks if one.name.startswith("blackbox/")]
        engines = len(self.costs["seconds"]["engines"])
        shares = [
            dataclasses.replace(
                one,
                image_s=one.image_s / engines,
                made_s=one.made_s / engines,
                answer_s=one.answer_s / engines,
            )
            for one in searched
        ]
        parts = [[one for one in attacks if one not in searched], *([shares] * engines)]
        return [part for part in parts if part]

    def _listed(
        self, nodes: int, groups: Sequence[Group], start: float, slice_s: float | None = None, least: int | None = None
    ) -> float:
        """When the last of them is answered: list scheduling, the next slice to whoever is free first. Slices shrink
        towards the end, to half of an even share. slice_s: as the setting's. least: images that a core has at once,
        where that is not a batch for the node.
        """
        setting, speeds = self.setting, self._speeds(nodes)
        whole = _BATCH if least is None else least * setting.cores
        rng = random.Random(f"{setting.seed} slices {nodes}")  # noqa: S311
        free = [(start * speed, number) for number, speed in enumerate(speeds)]
        heapq.heapify(free)
        driver = end = 0.0
        left = sum(one.whole_s for one in groups) * setting.images
        for one in groups:
            images = setting.images + (round(setting.images * setting.repeat) if nodes > 1 else 0)
            while images:
                share = 0.5 * left / nodes / one.whole_s
                wanted = min((slice_s or setting.slice_s) * setting.cores / one.whole_s, share)
                taken = min(images, max(whole, math.ceil(wanted / whole) * whole))
                at, number = heapq.heappop(free)
                driver = max(driver, at) + setting.give_s if nodes > 1 else at
                chance = max(0.5, 1.0 + rng.gauss(0.0, one.spread / one.whole_s / math.sqrt(taken)))
                at = max(at, driver) + taken * one.whole_s * chance * speeds[number] / setting.cores
                heapq.heappush(free, (at, number))
                end = max(end, at)
                images -= taken
                left -= taken * one.whole_s
        return end

    def _rows_mb(self) -> float:
        targets = len(self.costs["seconds"]["engines"])
        count = sum(one.count for one in self.groups) * targets
        return count * self.setting.images * float(self.costs["bytes"]["row"]) / 1e6

    def _file_s(self) -> float:
        """One process files all trials: seconds for each, and as long as their bytes take."""
        targets = len(self.costs["seconds"]["engines"])
        trials = sum(one.count for one in self.groups) * targets
        return trials * float(self.costs["seconds"]["file"]) + self._rows_mb() / self.setting.read_mb

    def _bound(self, nodes: int, start: float, longest: float, end: float) -> str:
        even = self.work_s / self.setting.cores / nodes
        if longest > 0.8 * even and nodes > 1:
            return f"the longest condition ({max(self.groups, key=lambda one: one.whole_s).name})"
        return "set-up" if start > 0.1 * end else "work"

    def _outcome(self, nodes: int, seconds: float, start: float, moved_mb: float, bound: str) -> Outcome:
        setting = self.setting
        hours = seconds / 3600
        paid = hours * nodes * setting.cores
        share = self.work_s / 3600 / paid
        return Outcome(nodes, hours, start / 3600, share, moved_mb / 1000, paid * setting.price, bound)

"""Attacks as a kind of conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.errors import UsageError
from seatrial.harness.attacks.cost import cost
from seatrial.harness.attacks.ids import (
    ATTACK,
    ATTACK_SUITES,
    ATTACKS,
    BLACKBOX,
    SOURCE,
    AttackId,
    in_order,
    is_attack,
    known_attack_ids,
    matching_ids,
    parse_attack,
    refusal,
    suite_ids,
)
from seatrial.harness.attacks.rows import AttackRows, read_attack_rows, rows_path
from seatrial.harness.attacks.strengths import PAPER_VALUES, sized
from seatrial.harness.attacks.studies import study_ids
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.conditions.kinds.attack.again import adversarial_images
from seatrial.harness.conditions.kinds.attack.block import describe_attacks
from seatrial.harness.conditions.kinds.attack.making import kept_images
from seatrial.harness.conditions.kinds.attack.running import run_attacks
from seatrial.harness.conditions.kinds.attack.surrogates import (
    files_of,
    is_asked,
    load_networks,
    surrogates_of,
    what_it_is,
)
from seatrial.harness.conditions.kinds.protocol import (
    Ask,
    Errand,
    Finished,
    Key,
    Kind,
    LoadedWorld,
    Pending,
    Resolved,
    Section,
    Session,
    World,
)
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.spec.studies import STUDIES
from seatrial.harness.spec.targets import Build, TargetSpec
from seatrial.packages import installed_versions, need

if TYPE_CHECKING:
    from rich.console import Console


class Attacks(Kind):
    """`attack/NAME@EPS`, `attack/NAME@EPS+SURROGATE` and `blackbox/NAME@EPS`."""

    name = "attack"
    prefix = ATTACK
    suites = (*ATTACK_SUITES, *STUDIES)
    block = "attacks"

    def owns(self, condition_id: str) -> bool:
        """Also those without gradients."""
        return is_attack(condition_id)

    def ids(self, world: World) -> list[str]:
        """At the papers' strengths; others can be named."""
        return known_attack_ids(surrogates_of(world))

    def spelled(self) -> str:
        """Without strengths and surrogates."""
        return ", ".join(f"{BLACKBOX if one.blackbox else ATTACK}{name}@EPS" for name, one in ATTACKS.items())

    def matching(self, glob: str, world: World) -> list[str]:
        """Also strengths that only the glob names, and `+qdq` for every quantized file."""
        return matching_ids(glob, surrogates_of(world))

    def of_suite(self, suite: str, world: World) -> list[str]:
        """The attacks, and what the masking checks need. A model that is not loaded is taken for one of 224 px."""
        known = surrogates_of(world)
        if suite not in STUDIES:
            return suite_ids(suite, known)
        return study_ids(suite, known, PAPER_VALUES if world.model is None else world.model.contract.values)

    def chosen(self, suite: str, globs: Sequence[str], severities: Sequence[int], world: World) -> list[str]:
        """By attack, surrogate and strength."""
        if not globs:
            return super().chosen(suite, globs, severities, world)
        found = [parse_attack(name) for glob in globs for name in self.matching(glob, world)]
        return in_order(found, surrogates_of(world).names)

    def asked_of(self, condition_id: str, target: TargetSpec, world: LoadedWorld) -> bool:
        """As `is_asked`: of images made on a variant's file, the targets that run it."""
        return is_asked(parse_attack(condition_id), target, world)

    def needs_labels(self, condition_id: str) -> bool:
        """Every attack leads away from the label."""
        return True

    def resolve(self, ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
        """Those that the model's classes and input type give sense to, and the networks of --surrogate."""
        refused: dict[str, list[str]] = {}
        kept: list[AttackId] = []
        for attack in map(parse_attack, ids):
            reason = refusal(attack, world.model.classes, _input_type(attack, world))
            if reason is None:
                kept.append(attack)
            elif str(attack) in named:
                raise UsageError(f"{attack} cannot be asked of this model: {reason}.")
            else:
                refused.setdefault(reason, []).append(str(attack))
        notes = [f"Left out of the attacks: {', '.join(names)} ({reason})." for reason, names in refused.items()]
        networks = load_networks(world)
        _check_gradients(kept, world.spec.attacks.device)
        return Resolved(tuple(Condition(str(one)) for one in kept), (), tuple(notes), networks)

    def made_on(self, condition: Condition, world: LoadedWorld) -> list[TargetSpec]:
        """Of images on a quantized file, the first target that runs it."""
        surrogate = parse_attack(condition.id).surrogate
        return [target for target, file in files_of(world).items() if file == surrogate != SOURCE][:1]

    def shape(self, condition: Condition, world: LoadedWorld) -> dict[str, Any]:
        """Of queries, how many; of gradients, restarts, the device, the surrogate and PyTorch's version.

        The surrogate counts by what it is: its name hangs on which other targets are there.
        """
        attack, options = parse_attack(condition.id), world.spec.attacks
        if attack.kind.blackbox:
            return {"id": condition.id, "queries": options.queries}
        return {
            **ATTACKS.provenance(attack.name),
            **sized(attack.name, world.model.contract.values),
            "id": str(dataclasses.replace(attack, surrogate=SOURCE)),
            "restarts": options.restarts,
            "device": device_kind(options.device),
            "surrogate": what_it_is(str(attack.surrogate), world),
            "versions": installed_versions(["torch"]),
        }

    def effort(self, condition: Condition, world: LoadedWorld) -> float:
        """A gradient is a pass forth, and one back of twice its work."""
        options = world.spec.attacks
        found = cost([parse_attack(condition.id)], options.restarts, options.queries, engines=1)
        return 1.0 + 3.0 * found.gradients + found.queries

    def run(self, session: Session, pending: Sequence[Pending], ask: Ask) -> None:
        """Images are made first, on surrogates or by asking each engine."""
        run_attacks(session, pending, ask)

    def maker(self, session: Session) -> Callable[[Errand], Iterator[bytes]]:
        """Of adversarial images."""
        from seatrial.harness.conditions.kinds.attack.helping import Maker

        return Maker(session)

    def kept(self, session: Session, named: Mapping[str, Any], start: int, stop: int) -> npt.NDArray[Any] | None:
        """From the machine's own cache."""
        return kept_images(session, named, start, stop)

    def answerable(self, condition: Condition, failed: Iterable[str], world: LoadedWorld) -> bool:
        """False for images on a file of which every target came to no end."""
        lost = set(failed)
        there = {SOURCE, *world.networks, *(name for one, name in files_of(world).items() if one.id not in lost)}
        return parse_attack(condition.id).surrogate in (None, *there)

    def beside(self, condition_id: str, build: Build, key: Key) -> list[Path]:
        """What is known of the images."""
        return [rows_path(_images_key(condition_id, build, key))]

    def describe(self, finished: Finished) -> dict[str, Any] | None:
        """What is left of each target, and whether that can be believed."""

        def rows(target: str, condition_id: str) -> AttackRows:
            asked = next(one for one in finished.targets if one.id == target)
            key = _images_key(condition_id, Build(asked), finished.key)
            return read_attack_rows(finished.directory.root, key, finished.world.data.ids)

        made_of = files_of(finished.world)
        files = {target.id: made_of[target] for target in finished.targets}
        return describe_attacks(finished.answers, rows, finished.reference, files)

    def title(self, condition_id: str) -> str:
        """As in "PGD, L∞ 2/255, made on fp32"."""
        return words.title(condition_id)

    def cell(self, condition_id: str) -> tuple[str, str]:
        """A row for each attack and way of making its images, a column for each strength."""
        return words.cell(condition_id)

    def seen(
        self, condition: Condition, target: TargetSpec, finished: Finished, clean: ImageReader
    ) -> ImageReader | None:
        """The adversarial images, while the cache has them."""
        key = _images_key(condition.id, Build(target), finished.key)
        return adversarial_images(parse_attack(condition.id), key, finished, clean)

    def show(self, summary: Mapping[str, Any], console: Console) -> None:
        """Robust accuracy, worst cases, who passes whom, and whether the gradients can be believed."""
        from seatrial.harness.conditions.kinds.attack.console import print_attacks

        if summary.get(self.block):
            print_attacks(summary[self.block], summary["reference"], console)

    def section(self, summary: Mapping[str, Any]) -> Section | None:
        """The same, with every figure."""
        from seatrial.harness.conditions.kinds.attack.figure import accuracy_by_strength
        from seatrial.harness.conditions.kinds.attack.tables import tables

        block = summary.get(self.block)
        if not block:
            return None
        found = {
            "figure": accuracy_by_strength(block),
            "words": words,
            "block": block,
            "tables": tables(block, summary["reference"]),
        }
        return Section.of(__package__, found)


def _images_key(condition_id: str, build: Build, key: Key) -> str:
    """Images on a surrogate are the same for all targets."""
    return key(condition_id, build if parse_attack(condition_id).kind.blackbox else None)


def _input_type(attack: AttackId, world: LoadedWorld) -> str:
    """Of whom the images are made for: the model, and the variant that they are made on."""
    variant = next((one.variant for one, name in files_of(world).items() if name == attack.surrogate), None)
    types = {model.contract.dtype for model in (world.model, *([world.variants[variant]] if variant else []))}
    return "uint8" if "uint8" in types else world.model.contract.dtype


def _check_gradients(attacks: Sequence[AttackId], device: str) -> None:
    gradients = [one for one in attacks if not one.kind.blackbox]
    if not gradients:
        return
    need("torch", f"{gradients[0]}, for its gradients,", "pip install 'seatrial[torch]', or leave attacks out")
    if device_kind(device) == "cuda":  # on the CPU PyTorch is imported when it is needed
        ENGINES["pytorch"].check_device(device)

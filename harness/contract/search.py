"""The search: three races, one after the other, each over the values of some factors of the contract.

1. colour order and scaling, on one customary resize rule. On the networks this was tried on, a wrong resize rule costs
   every scaling about the same and changes no winner, so that one rule serves.
2. the resize rule, with the scaling found.
3. interpolation and decoder, with that rule. If the rule is then another than in the first race, the scalings that
   were left are raced again under it.

In a race, all candidates get the same images, 32 first, then twice as many, and so on. After each look, whoever is
significantly worse than the leader is dropped. Among those left, which these images do not tell apart, the declared
value is taken, else the most customary one.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import cv2

from seatrial.cache import cache_root
from seatrial.engines import places
from seatrial.errors import BadInputError
from seatrial.exporters import InputContract
from seatrial.harness.alike import settle
from seatrial.harness.contract import candidates as values
from seatrial.harness.contract.answers import Asker
from seatrial.harness.contract.deviations import deviations, spell
from seatrial.harness.contract.flags import flags_of
from seatrial.harness.contract.images import DecodedImages
from seatrial.harness.contract.model import load_model
from seatrial.harness.contract.races import SCALING, Races
from seatrial.harness.contract.result import Deviation, SearchResult, Stage
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.plan.load import data_name, images_path, opening
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.contract import MIN_IMAGES, ContractSpec
from seatrial.harness.spec.targets import REFERENCE_ENGINE


def search(spec: ContractSpec, progress: Progress) -> SearchResult:
    """Finds how the model wants to be fed; raises a SeatrialError that says what to do."""
    begin = time.perf_counter()
    with opening(spec.source, progress):
        model, declared = load_model(spec)
    model, findings = settle(model, None, progress)
    path = images_path(spec.images, spec.source, progress)
    label_of = labeller(model.classes, model.class_names, spec.source.classes)
    selection = select(open_source(path, model.classes, label_of), seed=spec.seed, limit=spec.images.limit)
    if len(selection) < MIN_IMAGES:
        raise BadInputError(
            f"{path} holds {len(selection)} images; at least {MIN_IMAGES} are needed to tell one contract from another."
        )
    cv2.setNumThreads(1)  # the workers are the parallelism
    with progress.stage("Decoding images", len(selection)) as update:
        images = DecodedImages(
            selection,
            cache_root() / "scratch",
            workers=spec.work.workers,
            decoders=_decoders(declared),
            orientation="ignore" if declared is None else declared.orientation,
            progress=update,
        )
    probabilities = model.scores == "probabilities"
    with images, places.build(REFERENCE_ENGINE, build_request(model), lanes=spec.work.workers) as engine:
        asker = Asker(engine, images, selection.labels, probabilities=probabilities, workers=spec.work.workers)
        plan = _Plan(images, model.contract, declared)
        races = Races(asker, len(images), plan.compared, progress)
        stages, best = _run(plan, races)
        swaps = deviations(best, declared) if best is not None and declared is not None else {}
        if best is not None:
            with progress.stage("Comparing on all images", len(images)) as update:
                asked = [best, *([declared] if declared is not None else []), *swaps.values()]
                asker.ask(asked, len(images), update)
                update(len(images))
            best = None if races.at_chance([best]) else best
        difference = races.difference(declared, best) if best is not None and declared is not None else None
        wrong = difference is not None and (
            difference.more_accurate or (difference.more_likely and bool(swaps.keys() & set(SCALING)))
        )
        return SearchResult(
            model=model.name,
            data=data_name(path),
            images=len(images),
            seed=spec.seed,
            best=best,
            best_correct=0 if best is None else int(asker.answers[best].correct.sum()),
            declared=declared,
            difference=difference,
            deviations=_deviations(races, best, declared, swaps),
            wrong=wrong,
            stages=stages,
            notes=(*findings.says, *model.notes, *plan.notes()),
            flags=() if best is None else flags_of(best),
            inferences=asker.inferences,
            grid=plan.grid,
            seconds=time.perf_counter() - begin,
        )


class _Plan:
    """Which candidates there are for these images; the declared ones are always among them."""

    def __init__(self, images: DecodedImages, shape: InputContract, declared: InputContract | None) -> None:
        self.images, self.declared = images, declared
        self.resizes = images.sizes != {shape.size}
        self.decoders = _decoders(declared) if images.differing else ("pillow",)
        customary = values.customary(shape, resizes=self.resizes)
        # Not searched for: images that carry an orientation are rare, and whether it is applied is known.
        orientation = customary.orientation if declared is None else declared.orientation
        self.start = dataclasses.replace(customary, orientation=orientation)
        counts = [len(self.scalings()), len(self.rules(self.start)), len(self.readers(self.start))]
        self.compared = sum(counts)
        self.grid = counts[0] * counts[1] * counts[2] * len(images)

    def scalings(self) -> list[InputContract]:
        """For the first race."""
        return values.numbers_and_colors(self.start, self.declared)

    def rules(self, base: InputContract) -> list[InputContract]:
        """For the second."""
        return values.resize_rules(base, self.declared, resizes=self.resizes)

    def readers(self, base: InputContract) -> list[InputContract]:
        """For the third."""
        return values.readers(base, self.declared, resizes=self.resizes, decoders=self.decoders)

    def notes(self) -> tuple[str, ...]:
        """What these images cannot show."""
        found = []
        if not self.resizes:
            height, width = self.start.size
            found.append(
                f"All images are {height}x{width} px already: how others must be resized cannot be told from them."
            )
        count = self.images.differing
        names = _listed(_decoders(self.declared))
        found.append(
            f"{names} decode {count} of {len(self.images)} images to different pixels."
            if count
            else f"{names} decode all these images to the same pixels: the decoder makes no difference."
        )
        return tuple(found)


def _decoders(declared: InputContract | None) -> tuple[str, ...]:
    """Those in common use, and the declared one."""
    common = ("pillow", "opencv")
    return common if declared is None or declared.decoder in common else (*common, declared.decoder)


def _listed(decoders: tuple[str, ...]) -> str:
    names = [{"pillow": "Pillow", "opencv": "OpenCV"}.get(name, name) for name in decoders]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _run(plan: _Plan, races: Races) -> tuple[tuple[Stage, ...], InputContract | None]:
    """All races, and the winner; None where it is near chance."""
    declared, start = plan.declared, plan.start
    own = None if declared is None else values.with_numbers(start, declared)
    scaling = races.race("colour order and scaling", SCALING, plan.scalings(), own)
    best = scaling.named
    if races.at_chance([best]):
        return (scaling,), None
    own = None if declared is None else values.with_rule(best, declared)
    rule = races.race("resize rule", ("resize",), plan.rules(best), own)
    best = rule.named
    own = None if declared is None else values.with_reader(best, declared)
    reader = races.race("interpolation and decoder", ("interpolation", "decoder"), plan.readers(best), own)
    best = reader.named
    left = [values.with_numbers(best, row.contract) for row in scaling.tied]
    if len(left) == 1 or best.image_side() == start.image_side():
        return (scaling, rule, reader), best
    own = None if declared is None else values.with_numbers(best, declared)
    again = races.race("colour order and scaling, again", SCALING, left, own)
    return (scaling, rule, reader, again), again.named


def _deviations(
    races: Races, best: InputContract | None, declared: InputContract | None, swaps: Mapping[str, InputContract]
) -> tuple[Deviation, ...]:
    if best is None or declared is None:
        return ()
    return tuple(
        Deviation(factor, spell(factor, declared), spell(factor, best), races.difference(swap, best))
        for factor, swap in swaps.items()
    )

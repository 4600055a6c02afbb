"""Before anything is measured: at which batch a model is run, and whether its answers can be believed at all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seatrial.engines import places
from seatrial.errors import BadInputError, BuildError, DeviceError, EngineDiedError, UnsupportedError
from seatrial.exporters import DeployableModel
from seatrial.exporters.batch import with_batch
from seatrial.exporters.contract import Tensor
from seatrial.exporters.float_view import float_view
from seatrial.exporters.frozen_batch import held_numbers, held_words
from seatrial.exporters.mixing import mixing_nodes
from seatrial.exporters.randomness import random_nodes
from seatrial.harness.alike import words
from seatrial.harness.alike.answers import IMAGES, Answers, Pixels, compare_answers
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.targets import AS_WRITTEN, REFERENCE_ENGINE

# A graph that answers so many images at once, either way, holds none.
_FREE = (IMAGES, 2)
# Tried where a graph takes none of the numbers that stand in it.
_USUAL = (2, 4, 8, 16, 32, 64)


class Asked(Protocol):
    """What answers: an engine."""

    def infer(self, batch: Tensor) -> npt.NDArray[np.float32]:
        """[N, ...] -> scores float32 [N, classes]."""


# Builds a float32 model, which stays open until the context ends.
Opens = Callable[[DeployableModel], contextlib.AbstractContextManager[Asked]]


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found out about a model. says: sentences for people, before any figure; empty where all is well.

    random, mixing: operators that do it, as spelled for people; named only where answers did change. batch: what it
    is run at, None for any. anomalous: no figure of it can be believed. answers: as measured, None where the model
    could not be asked.
    """

    says: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    mixing: tuple[str, ...] = ()
    batch: int | None = None
    anomalous: bool = False
    answers: Answers | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "says": list(self.says),
            "random": list(self.random),
            "mixing": list(self.mixing),
            "batch": self.batch,
            "anomalous": self.anomalous,
            "measured": None if self.answers is None else self.answers.to_dict(),
        }


def settle(
    model: DeployableModel, pixels: Pixels | None, progress: Progress, opens: Opens | None = None
) -> tuple[DeployableModel, Findings]:
    """The model as it is run from now on, and what there is to say of it, which is told at once.

    A graph that holds a batch, although it is declared free, is run at it; one that mixes the images of a batch is run
    one image at a time. Its fp32 form is asked on the reference engine, node by node. pixels: uint8 RGB [N, H, W, 3],
    the first few are taken; None for noise. opens: builds it, None for a process of its own. A model that cannot be
    built or does not answer at all is returned as it is: what builds it next says why.
    """
    images = _noise(model) if pixels is None else pixels[:IMAGES]
    with progress.stage("Asking the model twice", 1, "models") as update:
        held, answers = None, None
        try:
            held, answers = _asked(float_view(model), images, opens or _in_process)
        except EngineDiedError:
            raise
        except (BadInputError, BuildError, DeviceError, UnsupportedError):
            pass
        update(1)
    if held is not None:
        model = _held_at(model, held)
    model, findings = _judged(model, answers)
    findings = dataclasses.replace(findings, says=tuple(f"{model.name}: {sentence}" for sentence in findings.says))
    for sentence in findings.says:
        progress.tell(sentence)
    return model, findings


def _judged(model: DeployableModel, answers: Answers | None) -> tuple[DeployableModel, Findings]:
    held = () if model.batch_note is None else (model.batch_note,)
    random = tuple(map(str, random_nodes(model.proto)))
    if answers is None:
        says = (*held, *((words.not_asked(random),) if random else ()))
        return model, Findings(says, random=random, batch=model.fixed_batch, anomalous=bool(random))
    changes = answers.changes(bool(random))
    mixing = () if answers.still else mixing_words(model, loops=not changes)
    if changes:
        model = _one_at_a_time(model) if mixing else model
        says = (*held, words.random(answers, random, mixing))
        return model, Findings(says, random, mixing, model.fixed_batch, anomalous=True, answers=answers)
    if random:
        held = (*held, words.unseen(random))
    if answers.mixes(bool(mixing)):
        found = Findings((), mixing=mixing, answers=answers)
        if model.fixed_batch is None:
            sentence = words.mixing(answers, mixing)
            return _one_at_a_time(model), dataclasses.replace(found, says=(*held, sentence), batch=1)
        sentence = words.mixing_held(answers, mixing, model.fixed_batch)
        return model, dataclasses.replace(found, says=(*held, sentence), batch=model.fixed_batch, anomalous=True)
    return model, Findings(held, batch=model.fixed_batch, answers=answers)


def mixing_words(model: DeployableModel, *, loops: bool = True) -> tuple[str, ...]:
    """The operators that compute across a batch, as spelled for people."""
    found = mixing_nodes(model.proto, model.input_name, model.contract.tensor_shape, Path(model.name), loops=loops)
    return tuple(map(str, found))


def _one_at_a_time(model: DeployableModel) -> DeployableModel:
    return model if model.fixed_batch is not None else dataclasses.replace(model, fixed_batch=1)


def _held_at(model: DeployableModel, batch: int) -> DeployableModel:
    note = held_words(model.proto, batch)
    return dataclasses.replace(model, proto=with_batch(model.proto, batch), fixed_batch=batch, batch_note=note)


def _asked(model: DeployableModel, images: Pixels, opens: Opens) -> tuple[int | None, Answers]:
    """The batch that a float32 model holds, None where it is free or declared; and its answers."""
    with opens(model) as engine:
        try:
            return None, _answers(model, engine, images)
        except EngineDiedError:
            raise
        except DeviceError:
            held = _held(model, engine, images) if model.fixed_batch is None else None
            if held is None:
                raise
    model = _held_at(model, held)
    with opens(model) as engine:
        return held, _answers(model, engine, images)


def _held(model: DeployableModel, engine: Asked, images: Pixels) -> int | None:
    """The batch that a graph answers at where it does not at others; None where there is none, or it takes several."""

    def answers(count: int) -> bool:
        try:
            # One image again and again: that another gives NaN says nothing of the batch.
            engine.infer(model.contract.normalise(np.repeat(images[:1], count, axis=0)))
        except EngineDiedError:
            raise
        except DeviceError:
            return False
        return True

    if all(map(answers, _FREE)):
        return None
    return next(filter(answers, dict.fromkeys((1, *held_numbers(model.proto), *_USUAL))), None)


def _answers(model: DeployableModel, engine: Asked, images: Pixels) -> Answers:
    draws = bool(random_nodes(model.proto))
    return compare_answers(engine.infer, images, model.contract, batch=model.fixed_batch, precision="fp32", draws=draws)


def _in_process(model: DeployableModel) -> contextlib.AbstractContextManager[Asked]:
    return places.build(REFERENCE_ENGINE, build_request(model, optimization=AS_WRITTEN))


def _noise(model: DeployableModel) -> Pixels:
    """Images of other brightness each: black to white, with noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (IMAGES, *model.contract.size, 3))
    levels = np.linspace(0.3, 1, IMAGES).reshape(-1, 1, 1, 1)
    return (noise * levels).astype(np.uint8)

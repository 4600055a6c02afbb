"""What runs on a node: it makes plan, images and engines from the spec's JSON, keeps them, answers slices and makes
images.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2

from seatrial.cache import cache_root
from seatrial.engines.cpu import processor
from seatrial.errors import SeatrialError, UsageError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError, Pending
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.data.source import Pixels
from seatrial.harness.plan.identity import with_conditions
from seatrial.harness.plan.making import make_plan
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.predictions import concatenate
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.building import build_targets
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.executors.batches import answered, batches_of
from seatrial.harness.run.executors.messages import (
    Asked,
    Order,
    Ready,
    errand_of,
    packed,
    packed_lack,
    packed_parts,
    told,
)
from seatrial.harness.run.images import run_images
from seatrial.harness.run.processes import started
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.session import Session
from seatrial.harness.run.settling import settle_models
from seatrial.harness.spec.kept import from_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Build, target_of

# Sets of engines with rewritten graphs that are kept beside the targets' own.
_REWRITTEN = 2
_MOST_TRACE = 4000


class Node:
    """The side of a node, asked from the driver. Every answer is bytes, and says by itself what went wrong.

    On a cluster it ends with its process; else close it, or use it as a context manager.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._session: Session | None = None
        self._makers: dict[str, Callable[[Errand], Iterator[bytes]]] = {}
        self._rewritten: OrderedDict[tuple[str, ...], tuple[contextlib.ExitStack, list[BuiltTarget]]] = OrderedDict()

    def ready(self, order: str) -> bytes:
        """Makes ready what `Order` names; `Ready`, or `told`."""
        return _telling(lambda: self._ready(Order.of(order)))

    def answer(self, asked: str, images: Sequence[Pixels]) -> bytes:
        """Answers `Asked`. images: of its conditions that the driver made, less those that it names, in their order:
        [stop - start, H, W, 3].
        """
        return _telling(lambda: self._answer(json.loads(asked), images))

    def make(self, errand: str, images: Sequence[Pixels] = ()) -> bytes:
        """Makes the parts of an `Errand`; none of them needs images from the driver."""
        return _telling(lambda: self._make(errand_of(errand)))

    def close(self) -> None:
        """Ends its engines."""
        for stack, _ in self._rewritten.values():
            stack.close()
        self._stack.close()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self, order: Order) -> bytes:
        cv2.setNumThreads(1)  # the workers are the parallelism
        spec = from_dict(RunSpec, dict(order.spec))
        spec = dataclasses.replace(spec, work=dataclasses.replace(spec.work, workers=order.threads))
        progress = Silent()
        plan = make_plan(spec, progress, told=order.digests)
        asked = [Build(REFERENCE), *(Build(target_of(name)) for name in order.builds)]
        plan = dataclasses.replace(plan, only=tuple(dict.fromkeys(asked)))
        fleet = self._stack.enter_context(started(plan))
        images, calibration = self._stack.enter_context(run_images(plan, progress, in_part=True))
        nowhere = RunDirectory(cache_root() / "scratch" / "of no run")
        session = Session(plan, nowhere, images, calibration, fleet, progress)
        identity = plan.identity
        settle_models(session)
        build_targets(session, audits=False)
        self._session = session
        return Ready(
            node=platform.node(),
            processor=processor().to_dict(),
            run=identity.run,
            targets=identity.targets,
            conditions=identity.conditions,
            files={target.id: target.model.digest for target in session.targets},
            failures=tuple(session.failures),
        ).to_bytes()

    def _answer(self, asked: Mapping[str, Any], images: Sequence[Pixels]) -> bytes:
        session = self._at_work()
        start, stop, given = asked["start"], asked["stop"], iter(images)
        together = []
        for one in asked["together"]:
            condition = _made(one) if one["made"] else _known(session.plan, one)
            if one["made"]:
                named = one["named"]
                found = kind_of(condition.id).kept(session, named, start, stop) if named else next(given)
                if found is None:
                    return packed_lack()
                session.images.replace(condition.id, _Given(found, start, len(session.plan.data)))
            together.append(Pending(condition, tuple(one["targets"])))
        targets = self._targets(session, tuple(asked["together"][0]["rewrites"]))
        batches = batches_of(tuple(together), start, stop, session.plan.spec.work.batch_size)
        with contextlib.closing(answered(session, targets, batches)) as answers:
            came = list(answers)
        keys = Asked(tuple(together), start, stop).keys
        # Of a target that fails on the way, nothing of the slice is told.
        whole = {
            key: concatenate([one.rows[key] for one in came]) for key in keys if all(key in one.rows for one in came)
        }
        asked_of = {name for _, name in keys}
        head = {
            "failures": [one.to_dict() for one in session.failures if one.target in asked_of],
            "conditions_s": sum(one.conditions_s for one in came),
            "engines_s": sum(one.engines_s for one in came),
        }
        return packed(keys, whole, head)

    def _make(self, errand: Errand) -> bytes:
        session, kind = self._at_work(), kind_of(errand.condition)
        if kind.name not in self._makers:
            self._makers[kind.name] = kind.maker(session)
        return packed_parts(list(self._makers[kind.name](errand)))

    def _at_work(self) -> Session:
        if self._session is None:
            raise UsageError("This node was not made ready.")
        return self._session

    def _targets(self, session: Session, rewrites: tuple[str, ...]) -> list[BuiltTarget]:
        """The engines, with `rewrites` applied to their files: of these, the last few sets are kept."""
        if not rewrites:
            return session.alive()
        if rewrites not in self._rewritten:
            stack = contextlib.ExitStack()
            built = stack.enter_context(rewritten(session, session.alive(), rewrites))
            self._rewritten[rewrites] = stack, built
            if len(self._rewritten) > _REWRITTEN:
                _, (oldest, _) = self._rewritten.popitem(last=False)
                oldest.close()
        self._rewritten.move_to_end(rewrites)
        return self._rewritten[rewrites][1]


def _known(plan: Plan, one: Mapping[str, Any]) -> Condition:
    """A condition of the plan, or one that stacks some; UsageError where it would be shaped otherwise here."""
    known = {condition.id: condition for condition in plan.conditions}
    name, parts = str(one["id"]), [known[part] for part in one["parts"] if part in known]
    if parts:
        condition = kind_of(name).composed(name, parts)
        identity = with_conditions(plan, [condition])
    else:
        condition, identity = known[name], plan.identity
    if identity.images_key(name) != one["key"]:
        raise UsageError(f"{name} is another condition on {platform.node()}: its images would be shaped otherwise.")
    return condition


def _made(one: Mapping[str, Any]) -> Condition:
    """What is left to do with images that come from the driver."""
    return Condition(str(one["id"]), numbers=one["numbers"], rewrites=tuple(one["rewrites"]))


class _Given:
    """An ImageReader of images in a row that the driver sent, of a run's `count`."""

    def __init__(self, images: Pixels, start: int, count: int) -> None:
        self._images, self._start, self._count = images, start, count

    def __len__(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> Pixels:
        return self._images[start - self._start : stop - self._start]


def _telling(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except (SeatrialError, MisfitError) as error:
        return json.dumps(told(error)).encode()
    except Exception:
        return json.dumps({"error": {"kind": "fault", "says": traceback.format_exc()[-_MOST_TRACE:]}}).encode()

"""Unit costs of a run, in seconds of one core: `python measure.py --model M --data D --calib C --classes F --out F`.

A plan is made of the suites full, pipeline and attack, as the command makes it, its engines are built, and each part of
the work is done for a few images: processor seconds are counted, not time that passes, so that other work on the
machine matters less. Nothing but these figures is kept. SEATRIAL_CACHE names an empty folder: what is found there is
not made.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from seatrial.cache import cache_root
from seatrial.engines.cpu import processor
from seatrial.engines.machine.processor import processor_name
from seatrial.engines.machine.system import System
from seatrial.harness.attacks.chunks import CleanChunk
from seatrial.harness.attacks.cost import cost
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.attacks.store import chunk_key, packed, unpacked
from seatrial.harness.attacks.within import check_in_ball
from seatrial.harness.command import flags_of
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.conditions import choose
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.pipeline import SourceReader
from seatrial.harness.pipeline.numbers import tensor
from seatrial.harness.pipeline.originals import Originals
from seatrial.harness.pipeline.readings import read_all
from seatrial.harness.plan.making import make_plan
from seatrial.harness.plan.passes import pass_of, reading_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.predictions import Predictions, rows_of
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import About, trial_path, write_trial
from seatrial.harness.run.building import build_targets
from seatrial.harness.run.images import run_images
from seatrial.harness.run.processes import started
from seatrial.harness.run.session import Session
from seatrial.harness.run.settling import settle_models

_FEW, _BATCHES, _BATCH = 4, 5, 32


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "data", "calib", "classes", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--preset", default="imagenet-inception")
    parser.add_argument("--bits", nargs="+", default=["8"])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    given = {name: getattr(asked, name) for name in ("model", "data", "calib", "classes", "preset")}
    spec = spec_of(flags_of(make_parser(), {**given, "bits": asked.bits, "workers": 1}, "measure"))
    world = World(spec, spec.targets.asked)
    globs = ("corruption/*", "pipeline/*", *choose("attack", world)[1:])
    spec = dataclasses.replace(spec, conditions=dataclasses.replace(spec.conditions, globs=globs))
    begin = _own()
    plan = make_plan(spec, Silent())
    planned_s = _own() - begin
    found = measured(plan)
    found["seconds"]["plan"] = planned_s
    Path(asked.out).write_text(json.dumps(rounded(found), separators=(",", ":")) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """To four digits: no figure is known more closely."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def measured(plan: Plan) -> dict[str, Any]:
    """JSON values; every list holds seconds of one core for an image, as often as it was measured."""
    reader = SourceReader(plan.data, plan.model.contract)
    reader.read(0, 2)
    decode = [_taken(lambda: reader.read(index, index + 1)) for index in range(40)]  # noqa: B023
    pixels, ids = reader.read(0, _BATCH), plan.data.ids[:_BATCH]
    changing = {}
    for one in plan.conditions:
        if one.transform is not None:
            one.apply(pixels[:1], ids[:1], 0)  # tables and textures are made at first use
            changing[one.id] = [
                _taken(lambda: one.apply(pixels[index : index + 1], ids[index : index + 1], 0))  # noqa: B023
                for index in range(_FEW)
            ]
    readings = _readings(plan)
    begin = _children()
    subprocess.run([sys.executable, "-c", "import seatrial.harness.command.run"], check=True)
    start_s = _children() - begin
    build_s = build_seconds(plan)
    with tempfile.TemporaryDirectory() as folder, started(plan) as fleet:
        directory = RunDirectory(Path(folder))
        with run_images(plan, Silent()) as (images, calibration):
            session = Session(plan, directory, images, calibration, fleet, Silent())
            found_s = _taken(lambda: _build(session), _all)
            engines, rows, gradient = {}, {}, {}
            for target in session.alive():
                batch = tensor(pixels, target.model.contract)
                scores = target.engine.infer(batch)
                rows[target.id] = rows_of(scores, plan.data.labels[:_BATCH], target.model.scores)
                engines[target.id] = [
                    _taken(lambda: target.engine.infer(batch), _alive) / _BATCH  # noqa: B023
                    for _ in range(_BATCHES)
                ]
                gradient["qdq" if "int8" in target.id else "fp32"] = _gradients(target.model, pixels[:8])
            chunk_bytes, taking = _chunk(plan, session.alive()[0].model, pixels[:8])
        target, one = next(iter(rows.items()))
        path = directory.trials
        filed = [_taken(lambda: write_trial(path, "0" * 64, About(target, "clean"), ids, one)) for _ in range(_FEW)]
        row_bytes = _row_bytes(path, one.top.shape[1])
    return {
        "schema": 1,
        "processor": processor_name(System()),
        "features": processor().to_dict()["features"],
        "load": [round(value, 1) for value in psutil.getloadavg()],
        "model": plan.model.name,
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "onnxruntime", "torch")},
        "conditions": _described(plan),
        "bytes": {
            "image": sum(len(payload.content) for _, payload in _payloads(plan)) / len(plan.data),
            "pixels": int(pixels[0].nbytes),
            "chunk": chunk_bytes,
            "row": row_bytes,
            "model": len(plan.model.onnx_bytes),
        },
        "seconds": {
            "start": start_s,
            "build": build_s,
            "found": found_s,
            "decode": decode,
            "changing": changing,
            "readings": readings,
            "normalise": [_taken(lambda: tensor(pixels, plan.model.contract)) / _BATCH for _ in range(_FEW)],
            "engines": engines,
            "gradient": gradient,
            "taking": taking,
            "file": min(filed),
        },
    }


def build_seconds(plan: Plan) -> float:
    """To make the targets' files and engines; those that the cache has already are not made."""
    with contextlib.ExitStack() as stack:
        folder, fleet = stack.enter_context(tempfile.TemporaryDirectory()), stack.enter_context(started(plan))
        images, calibration = stack.enter_context(run_images(plan, Silent()))
        session = Session(plan, RunDirectory(Path(folder)), images, calibration, fleet, Silent())
        return _taken(lambda: _build(session), _all)


def _build(session: Session) -> None:
    settle_models(session)
    build_targets(session)


def _described(plan: Plan) -> list[dict[str, Any]]:
    """Condition by condition: what it is read with, how often gradients and answers are asked for its images."""
    options = plan.spec.attacks
    found = []
    for one in plan.conditions:
        own: dict[str, Any] = {"id": one.id, "pass": str(pass_of(one, plan.model.contract))}
        own["effort"] = kind_of(one.id).effort(one, plan.world)
        if kind_of(one.id).name == "attack":
            attack = parse_attack(one.id)
            most = cost([attack], options.restarts, options.queries, engines=1)
            own |= {"surrogate": attack.surrogate, "gradients": most.gradients, "queries": most.queries}
        found.append(own)
    return found


def _readings(plan: Plan) -> dict[str, list[float]]:
    """Of conditions that read the stored images otherwise: all that are read together."""
    contract, groups = plan.model.contract, {}
    for one in plan.conditions:
        if one.from_source:
            groups.setdefault(str(pass_of(one, contract)), []).append(reading_of(one, contract))
    originals = Originals(plan.data, cache_root() / "scratch", workers=1)
    try:
        found = {}
        for name, readings in groups.items():
            read_all(originals, 0, 1, readings)
            found[name] = [_taken(lambda: read_all(originals, at, at + 1, readings)) for at in range(12)]  # noqa: B023
        return found
    finally:
        originals.close()


def _gradients(model: Any, pixels: Any) -> list[float]:
    import torch

    from seatrial.harness.attacks.surrogate import Surrogate

    torch.set_num_threads(1)
    surrogate = Surrogate(model)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).float() / 255
    labels = torch.zeros(len(images), dtype=torch.int64)

    def once() -> None:
        surrogate.gradient(images, lambda logits: torch.nn.functional.cross_entropy(logits, labels, reduction="none"))

    once()
    return [_taken(once) / len(images) for _ in range(_FEW)]


def _chunk(plan: Plan, model: Any, pixels: Any) -> tuple[float, list[float]]:
    """Bytes of an adversarial image as a node sends it, and seconds that the driver looks at it before it is filed."""
    from seatrial.harness.attacks.gradients import on_surrogate
    from seatrial.harness.attacks.surrogate import Surrogate

    attack, labels, ids = (
        parse_attack("attack/pgd-linf@2"),
        plan.data.labels[: len(pixels)],
        plan.data.ids[: len(pixels)],
    )
    surrogate = Surrogate(model)
    make = on_surrogate(attack, lambda: surrogate, lambda: surrogate, plan.spec.attacks, 0)
    content = packed(make(CleanChunk(ids, labels, pixels)), pixels)

    def look() -> None:
        chunk_key({}, ids, labels.tolist(), pixels)
        check_in_ball(unpacked(content, pixels).images, pixels, attack)

    return len(content) / len(pixels), [_taken(look) / len(pixels) for _ in range(_FEW)]


def _row_bytes(folder: Path, classes: int) -> float:
    """What one more row takes in a trial's file, of answers and names that differ as those of ImageNet do."""
    rng, sizes = np.random.default_rng(0), []
    for count in (1_000, 11_000):
        label = rng.integers(0, 1000, count).astype(np.int32)
        top = np.stack([rng.permutation(1000)[:classes] for _ in range(count)]).astype(np.int32)
        top[:, 0] = np.where(rng.random(count) < 0.7, label, top[:, 0])
        numbers = rng.random((2, count), np.float32)
        rows = Predictions(label=label, top=top, p_top1=numbers[0], margin=numbers[1])
        names = [f"n{one:08d}/ILSVRC2012_val_{index:08d}.JPEG" for index, one in enumerate(label)]
        write_trial(folder, "1" * 64, About("onnxruntime/int8@cpu", "clean"), names, rows)
        sizes.append(trial_path(folder, "1" * 64).stat().st_size)
    return (sizes[1] - sizes[0]) / 10_000


def _payloads(plan: Plan) -> Any:
    return plan.data.stream(0, len(plan.data))


def _taken(call: Callable[[], Any], clock: Callable[[], float] = time.thread_time) -> float:
    begin = clock()
    call()
    return clock() - begin


def _own() -> float:
    return time.process_time()


def _all() -> float:
    return _own() + _alive()


def _children() -> float:
    """Seconds of the children that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def _alive() -> float:
    """Seconds of the children that live: the engines."""
    found = 0.0
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        found += times.user + times.system
    return found


if __name__ == "__main__":
    main()

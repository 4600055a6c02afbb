"""A node by itself, without a cluster: from the spec's JSON to the rows of a local run, or a word on why not."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import make_folders, make_model
from specs import flat
from trial_files import trial_files

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.pipeline import SourceReader
from seatrial.harness.pipeline.kept import KeptReader
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.trials import read_any_trial
from seatrial.harness.run.executors.crew import order_of
from seatrial.harness.run.executors.fitting import misfits
from seatrial.harness.run.executors.messages import Asked, Ready, unpacked
from seatrial.harness.run.executors.node import Node
from seatrial.harness.run.executors.workers import Resources
from seatrial.harness.run.run import run
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

INT8 = TargetSpec("onnxruntime", "int8")
BATCH = 8
CONDITIONS = ("clean", "corruption/gaussian_noise@3", "pipeline/resize=opencv-*", "pipeline/decode=opencv")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A local run of 24 files, its plan and its answers."""
    root = tmp_path_factory.mktemp("world")
    spec = flat(
        RunSpec,
        model=str(make_model(root / "m.onnx")),
        data=str(make_folders(root / "test")),
        calib=str(make_folders(root / "calib", images=4, seed=1)),
        contract=ContractOptions(size=(16, 16)),
        targets=(INT8,),
        conditions=CONDITIONS,
        batch_size=BATCH,
        out=root / "run",
    )
    run(spec)
    plan = make_plan(spec, Silent())
    answers = {key: read_any_trial(path)[1] for key, path in trial_files(root / "run").items()}
    return root, plan, answers


def asked_of(plan, start, stop, names=None):
    targets = tuple(target.id for target in plan.targets)
    conditions = [one for one in plan.conditions if names is None or one.id in names]
    return Asked(tuple(Pending(one, targets) for one in conditions), start, stop)


def ask(node, plan, asked, images=()):
    keys = {one.condition.id: plan.key_of(one.condition.id, None) for one in asked.together}
    labels = plan.data.labels[asked.start : asked.stop]
    return unpacked(node.answer(asked.to_json(keys), images), asked, labels, plan.model.classes)


def made_ready(plan, **changes):
    node = Node()
    order = dataclasses.replace(order_of(plan, Resources(2, 0)), **changes)
    return node, Ready.of(node.ready(order.to_json()))


def test_slices_have_the_bits_of_the_local_run_in_whatever_order_they_are_asked(world):
    _root, plan, answers = world
    node, ready = made_ready(plan)
    with node:
        assert misfits(ready, plan.identity, [one.id for one in plan.conditions], dict(ready.files)) == {}
        assert set(ready.files) == {target.id for target in plan.targets}
        passes = [[one.id for one in plan.conditions if not one.from_source]]
        passes += [[one.id] for one in plan.conditions if one.from_source]
        for names in passes:
            for start, stop in ((16, 24), (0, 16)):
                found = ask(node, plan, asked_of(plan, start, stop, names))
                assert not found.failures
                for (condition, target), rows in found.rows.items():
                    local = answers[target, condition]
                    for name in ("label", "top", "p_top1", "margin"):
                        ours, theirs = getattr(rows, name), getattr(local, name)[start:stop]
                        assert ours.tobytes() == theirs.tobytes(), (condition, target, name)


def test_images_that_the_driver_made_are_answered_as_they_come(world):
    _root, plan, answers = world
    node, _ = made_ready(plan)
    with node:
        made = Condition("attack/fgsm-linf@2")
        question = Asked((Pending(made, ("onnxruntime/fp32@cpu",)),), 8, 16)
        clean = np.stack([np.asarray(one) for one in node._session.images.reader("clean").read(8, 16)])
        content = node.answer(question.to_json({made.id: "0" * 64}), [clean])
        rows = unpacked(content, question, plan.data.labels[8:16], 4).rows[made.id, "onnxruntime/fp32@cpu"]
        assert rows.p_top1.tobytes() == answers["onnxruntime/fp32@cpu", "clean"].p_top1[8:16].tobytes()


def test_a_node_reads_its_own_files_once_and_holds_each_against_the_hash_that_it_was_told(world, tmp_path):
    _, plan, _ = world
    told = dataclasses.replace(plan.data, digests=(*plan.data.digests[:-1], "0" * 64))
    whole = SourceReader(plan.data, plan.model.contract)
    with KeptReader(told, plan.model.contract, tmp_path) as part:
        assert part.read(4, 12).tobytes() == whole.read(4, 12).tobytes()
        assert part._there.tolist() == [4 <= position < 12 for position in range(24)]
        assert part.read(0, 16).tobytes() == whole.read(0, 16).tobytes()
        with pytest.raises(BadInputError, match=rf"{plan.data.ids[-1]} changed"):
            part.read(16, 24)


def test_what_would_be_shaped_otherwise_is_refused(world):
    _root, plan, _ = world
    node, _ = made_ready(plan)
    with node:
        question = asked_of(plan, 0, 8, ["clean"])
        with pytest.raises(UsageError, match="clean is another condition on"):
            unpacked(node.answer(question.to_json({"clean": "0" * 64}), []), question, plan.data.labels[:8], 4)


def test_a_node_without_the_files_says_so(world):
    root, plan, _ = world
    order = order_of(plan, Resources(1, 0))
    spec = json.loads(json.dumps(order.spec))
    spec["source"]["model"] = str(root / "elsewhere.onnx")
    with Node() as node, pytest.raises(BadInputError, match=r"elsewhere\.onnx"):
        Ready.of(node.ready(dataclasses.replace(order, spec=spec).to_json()))
    with Node() as node, pytest.raises(UsageError, match="not made ready"):
        ask(node, plan, asked_of(plan, 0, 8, ["clean"]))


def test_a_node_works_with_the_cores_that_it_is_given_and_writes_no_run(world):
    root, plan, _ = world
    before = {path: path.stat().st_mtime_ns for path in (root / "run").rglob("*")}
    node, _ready = made_ready(plan, threads=1)
    with node:
        assert node._session.plan.spec.work.workers == 1
        assert node._session.plan.spec.out is None
    assert {path: path.stat().st_mtime_ns for path in (root / "run").rglob("*")} == before

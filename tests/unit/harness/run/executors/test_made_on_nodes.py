"""Adversarial images on a node, and what of a node's is taken for them."""

import dataclasses
import io
import json

import numpy as np
import pytest
from conftest import make_folders, make_model
from specs import flat

from seatrial.errors import BadInputError, EngineDiedError
from seatrial.exporters import ContractOptions
from seatrial.harness.attacks.store import ChunkStore, packed, unpacked
from seatrial.harness.conditions.kinds.attack import fetching, helping, making  # noqa: F401  (helping binds its names)
from seatrial.harness.conditions.kinds.attack.making import found_by_queries, made_on_surrogates, surrogate_models
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.run.executors.crew import order_of
from seatrial.harness.run.executors.making import _most_bytes
from seatrial.harness.run.executors.messages import Ready, errand_json, errand_of, packed_parts, told, unpacked_parts
from seatrial.harness.run.executors.node import Node
from seatrial.harness.run.executors.workers import Resources
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

INT8 = TargetSpec("onnxruntime", "int8")
GRADIENTS = ("attack/fgsm-linf@8", "attack/pgd-l2@1+qdq", "attack/fgsm-linf@0.5", "attack/fgsm-linf@8+other")
QUERIES = ("blackbox/square-linf@8",)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node, ready for a run of 24 images; its session is what the run's would be."""
    root = tmp_path_factory.mktemp("world")
    spec = flat(
        RunSpec,
        model=str(make_model(root / "m.onnx")),
        data=str(make_folders(root / "test")),
        calib=str(make_folders(root / "calib", images=4, seed=1)),
        contract=ContractOptions(size=(16, 16)),
        targets=(INT8,),
        conditions=("clean", *GRADIENTS, *QUERIES),
        attacks=AttackOptions(surrogates=(f"other={make_model(root / 'o.onnx', seed=7)}",), queries=12),
        batch_size=8,
        out=root / "run",
    )
    plan = make_plan(spec, Silent())
    with Node() as found:
        Ready.of(found.ready(order_of(plan, Resources(2, 0)).to_json()))
        yield found, plan


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Switches to a cache of adversarial images by name, as machines have their own."""

    def use(name):
        monkeypatch.setattr(making, "cache_root", lambda: tmp_path / name)
        return ChunkStore(tmp_path / name / "adversarial")

    return use


def driver_of(node, elsewhere=None):
    """The run's own session: the node's, with the whole plan."""
    found, plan = node
    return dataclasses.replace(
        found._session, plan=dataclasses.replace(plan, only=found._session.plan.only), elsewhere=elsewhere
    )


def made(session, names):
    """Condition id -> its images and rows."""
    conditions = [one for one in session.plan.conditions if one.id in names]
    if names == QUERIES:
        (target,) = (one for one in session.alive() if one.id == "onnxruntime/int8@cpu")
        found = found_by_queries(session, conditions, target)
    else:
        found = made_on_surrogates(session, conditions, surrogate_models(session))
    return {one.id: (result.reader.read(0, 24), result.rows) for one, result in found}


def sent(node, caches, errands, take, spoil=lambda content: content):
    """As an executor: one node makes all, in a cache of its own."""
    for errand in errands:
        if errand.starts:
            caches("node")
            content = node[0].make(errand_json(errand))
            caches("driver")
            for start, part in zip(errand.starts, unpacked_parts(content, errand, 1 << 20), strict=True):
                take(errand, start, spoil(part))


@pytest.mark.parametrize("names", [GRADIENTS, QUERIES])
def test_what_nodes_make_is_what_the_driver_would_and_is_not_made_again(node, caches, monkeypatch, names):
    caches("alone")
    alone = made(driver_of(node), names)
    caches("driver")

    def elsewhere(errands, take):
        sent(node, caches, errands, take)

    session = driver_of(node, elsewhere)
    monkeypatch.setattr(making, "job_on_engine", without_making(making.job_on_engine))
    monkeypatch.setattr(making, "job_on_surrogate", without_making(making.job_on_surrogate))
    spread = made(session, names)
    assert spread.keys() == alone.keys() == set(names)
    for name, (images, rows) in alone.items():
        assert images.tobytes() == spread[name][0].tobytes(), name
        for field in dataclasses.fields(rows):
            assert getattr(rows, field.name).tobytes() == getattr(spread[name][1], field.name).tobytes()


def without_making(job_of):
    """Jobs of the driver's own that make nothing; those of the node, which names are bound to already, do."""

    def found(*args):
        def never(part):
            raise AssertionError("made by the driver")

        return dataclasses.replace(job_of(*args), make=never)

    return found


def test_only_what_is_missing_is_asked_for_and_what_nobody_made_is_made_here(node, caches):
    store, asked = caches("driver"), []

    def nobody(errands, take):
        asked.append({errand.condition: errand.starts for errand in errands})

    made(driver_of(node, nobody), GRADIENTS[:1])
    made(driver_of(node, nobody), GRADIENTS[:2])
    assert asked == [{GRADIENTS[0]: (0,)}, {GRADIENTS[0]: (), GRADIENTS[1]: (0,)}]
    assert len(list(store.folder.glob("*/*.chunk"))) == 2


def test_a_node_that_would_make_others_says_what_differs(node, caches):
    caches("driver")
    errands = []
    made(driver_of(node, lambda found, take: errands.extend(found)), GRADIENTS)
    caches("node")
    first = dataclasses.replace(errands[0], starts=(0,))
    other = json.loads(errand_json(first))
    other["asked"]["description"]["versions"]["torch"] = "1.0"
    with pytest.raises(MisfitError, match=r"another description\.versions\.torch"):
        unpacked_parts(node[0].make(json.dumps(other)), first, 1 << 20)
    other = json.loads(errand_json(first))
    other["asked"]["description"]["surrogate"]["digest"] = "0" * 64
    with pytest.raises(MisfitError, match="has other bits"):
        unpacked_parts(node[0].make(json.dumps(other)), first, 1 << 20)
    stranger = dataclasses.replace(first, condition="blackbox/square-linf@8", target="tensorrt/int8@cuda:0")
    with pytest.raises(MisfitError, match="it has no tensorrt/int8@cuda:0"):
        unpacked_parts(node[0].make(errand_json(stranger)), stranger, 1 << 20)
    for wrong in ("[]", "{}", '{"condition": 3}', "nothing"):
        with pytest.raises(BadInputError):
            unpacked_parts(node[0].make(wrong), first, 1 << 20)


def spoilt(change):
    """A part whose arrays are changed, under its old key."""

    def spoil(content):
        key, stored = fetching.opened(content)
        with np.load(io.BytesIO(stored)) as found:
            arrays = dict(found)
        change(arrays)
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)
        return fetching.sealed(key, stream.getvalue())

    return spoil


def too_far(arrays):
    arrays["change"] = arrays["change"] + np.uint8(40)


def of_another_shape(arrays):
    arrays["change"] = arrays["change"][:, :8]


def without_rows(arrays):
    del arrays["queries"]


def of_other_types(arrays):
    arrays["distance"] = arrays["distance"].astype(np.float64)


@pytest.mark.parametrize("change", [too_far, of_another_shape, without_rows, of_other_types])
def test_a_node_that_sends_no_such_images_is_not_believed(node, caches, change):
    store = caches("driver")
    session = driver_of(node, lambda errands, take: sent(node, caches, errands, take, spoilt(change)))
    with pytest.raises(BadInputError, match="no images of attack/fgsm-linf@8"):
        made(session, GRADIENTS[:1])
    assert not list(store.folder.glob("*/*.chunk"))


def test_images_of_other_clean_ones_are_not_taken(node, caches):
    caches("driver")
    session = driver_of(
        node, lambda errands, take: sent(node, caches, errands, take, lambda part: b"0" * 64 + part[64:])
    )
    with pytest.raises(MisfitError, match="clean ones"):
        made(session, GRADIENTS[:1])


def test_parts_travel_whole_or_are_refused(node):
    errand = Errand("attack/fgsm-linf@8", None, {"description": {}}, 8, (0, 16))
    assert errand_of(errand_json(errand)) == errand
    parts = [b"one", b""]
    assert unpacked_parts(packed_parts(parts), errand, 1000) == parts
    for wrong in ([b"one"], [b"one", b"two", b"three"]):
        with pytest.raises(BadInputError, match="other parts"):
            unpacked_parts(packed_parts(wrong), errand, 1000)
    with pytest.raises(BadInputError, match="more than it was asked for"):
        unpacked_parts(packed_parts([b"x" * (2 << 20), b""]), errand, 1000)
    with pytest.raises(EngineDiedError, match="gone"):
        unpacked_parts(json.dumps(told(EngineDiedError("gone", "hung"))).encode(), errand, 1000)
    with pytest.raises(BadInputError):
        unpacked_parts(b"PK\x03\x04nothing", errand, 1000)


def test_the_largest_part_that_there_can_be_is_taken(node):
    rng = np.random.default_rng(0)
    session, size = driver_of(node), 24
    clean = rng.integers(0, 256, (size, 16, 16, 3), np.uint8)
    (found,) = making_rows(session)
    chunk = dataclasses.replace(found, images=rng.random((size, 16, 16, 3), np.float32) * 255)
    content = packed(chunk, clean)
    assert len(content) <= _most_bytes(session, size)
    assert unpacked(content, clean).images.tobytes() == chunk.images.tobytes()


def making_rows(session):
    from seatrial.harness.attacks.store import Chunk

    (_, result), *_ = made_on_surrogates(
        session, [one for one in session.plan.conditions if one.id == GRADIENTS[0]], surrogate_models(session)
    )
    return [Chunk(result.reader.read(0, 24), result.rows)]

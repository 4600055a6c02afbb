"""From the stored image to the answer: pipelines that are asked for, the run's own answers, times that add up."""

import contextlib
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_folders, make_model
from specs import flat

from seatrial import exporters
from seatrial.engines.places import PlacedEngine
from seatrial.engines.timing.fed import TimedFed
from seatrial.errors import DeviceError, UnsupportedError, UsageError
from seatrial.exporters.contract import DECODERS
from seatrial.harness.conditions.kinds.pipeline.options import pipeline_options
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline import decoders
from seatrial.harness.pipeline.numbers import tensor
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.building import build_targets
from seatrial.harness.run.images import run_images
from seatrial.harness.run.processes import started
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing import end_to_end as timing
from seatrial.harness.run.timing import feeds
from seatrial.harness.run.timing.feeds import feed, feeds_of, stored
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

FILES = exporters.ContractOptions(resize=20, crop=(16, 16))
ARRAYS = exporters.ContractOptions(size=(16, 16), resize="none")
TARGETS = (TargetSpec("onnxruntime", "fp32"), TargetSpec("null", "fp32"))


class Heard(Silent):
    """Keeps what is told."""

    def __init__(self):
        self.told = []

    def tell(self, sentence):
        self.told.append(sentence)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("end_to_end")


@pytest.fixture(scope="module")
def plans(folder):
    """Of JPEG files that are resized and cropped, and of arrays of the model's size."""
    model = make_model(folder / "small.onnx")
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "arrays.npz", images=images, labels=np.arange(8) % 4)
    data = {"files": (make_folders(folder / "test", images=2), FILES), "arrays": (folder / "arrays.npz", ARRAYS)}
    return {
        name: make_plan(
            flat(RunSpec, model=str(model), data=str(path), contract=contract, suite="quick", targets=TARGETS), Silent()
        )
        for name, (path, contract) in data.items()
    }


@contextlib.contextmanager
def built(plan):
    with started(plan) as fleet, run_images(plan, Silent()) as (images, calibration):
        session = Session(plan, RunDirectory(plan.out), images, calibration, fleet, Heard())
        build_targets(session)
        yield session


@pytest.fixture(scope="module")
def sessions(plans):
    """With engines that are built, for tests in which none fails."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(built(plan)) for name, plan in plans.items()}


@pytest.fixture
def files(sessions):
    """Of JPEG files; nothing has been told yet."""
    sessions["files"].progress.told.clear()
    return sessions["files"]


@pytest.fixture
def fed_answers(monkeypatch):
    """(engine, way) -> its answers, as `feed` gave them."""
    found, feed = {}, PlacedEngine.feed

    def kept(self, where, description, images):
        answers = feed(self, where, description, images)
        found.setdefault(self.name, []).append(answers)
        return answers

    monkeypatch.setattr(PlacedEngine, "feed", kept)
    return found


@pytest.fixture
def timed_fed(monkeypatch):
    """All that `time_fed` told."""
    found, time_fed = [], PlacedEngine.time_fed

    def kept(self, *arguments):
        found.append(time_fed(self, *arguments))
        return found[-1]

    monkeypatch.setattr(PlacedEngine, "time_fed", kept)
    return found


@pytest.mark.parametrize(
    ("images", "patterns", "kind", "missing"),
    [
        ("files", ["contract"], "jpeg", {"color"}),
        ("files", ["pipeline/decode=opencv", "pipeline/resize=opencv-area"], "jpeg", {"color"}),
        ("files", ["pipeline/rule=exact", "pipeline/crop=up", "pipeline/input=fp16"], "jpeg", {"color"}),
        ("files", ["pipeline/color=nv12-bt601", "pipeline/color=bgr"], "jpeg", set()),
        ("arrays", ["contract"], "array", {"decode", "resize", "color"}),
        ("arrays", ["pipeline/decode=opencv"], "jpeg", {"resize", "color"}),
        ("arrays", ["pipeline/resize=opencv-area"], "array", {"decode", "color"}),
    ],
)
def test_the_answer_is_the_runs_own_bit_for_bit_and_the_parts_add_up(
    sessions, fed_answers, timed_fed, images, patterns, kind, missing
):
    session, plan = sessions[images], sessions[images].plan
    asked = feeds_of(plan, patterns)
    assert len(asked) == len(patterns)
    found = timing.end_to_end(session, asked, seconds=0.02)
    assert session.failures == session.progress.told == []
    reference, null = session.targets
    for index, condition in enumerate(asked.pipelines.values()):
        answers = fed_answers["onnxruntime"][index]
        pixels = session.images.read([condition], 0, len(answers))[condition.id]
        changed = condition.apply(pixels, plan.data.ids[: len(answers)], plan.spec.seed)
        own = [
            reference.engine.infer(tensor(changed[i : i + 1], plan.model.contract, condition.numbers))[0]
            for i in range(len(answers))
        ]
        np.testing.assert_array_equal(answers, own)
        assert np.ptp(answers, axis=0).max() > 1e-3  # of different images
    assert list(found) == [reference.id, null.id]
    for entries in found.values():
        assert [entry["feed"] for entry in entries] == list(asked)
        for entry in entries:
            assert entry["input"] == kind
            assert entry["wrong"] == entry["differ"] == 0
            assert entry["samples"] >= 1
            assert (entry["p90_ms"] is not None) == (entry["samples"] >= 64)
            parts = {name: entry[f"{name}_ms"] for name in ("decode", "resize", "color", "normalise", "host")}
            assert {name for name, value in parts.items() if value is None} == missing
    shares = [sum(one.parts.values()) / one.whole for one in timed_fed]
    assert 0.5 < np.median(np.concatenate(shares)) <= 1


def test_a_pattern_that_matches_nothing_lists_what_there_is(plans):
    with pytest.raises(UsageError, match=r"'pipeline/decode=gimp' matches no pipeline. Known: contract, pipeline/dec"):
        feeds_of(plans["files"], ["contract", "pipeline/decode=gimp"])


@pytest.mark.parametrize(
    ("images", "pattern", "why"),
    [
        ("arrays", "pipeline/orientation=apply", "arrays carry no EXIF orientation"),
        ("arrays", "pipeline/orientation=*", "arrays carry no EXIF orientation"),
        ("files", "pipeline/decode=pillow", "it is what the contract says"),
        ("files", "pipeline/graph=*", "it changes the graph"),
        ("files", "pipeline/combined", "known once the others are answered"),
    ],
)
def test_what_has_no_sense_here_is_refused_with_its_reason(plans, images, pattern, why):
    with pytest.raises(UsageError, match=why):
        feeds_of(plans[images], [pattern])


def test_a_glob_takes_what_there_is_and_says_what_it_leaves_out(plans, monkeypatch):
    monkeypatch.setattr(decoders, "unavailable", lambda name: "not here." if name in ("dali", "nvjpeg") else None)
    found = feeds_of(plans["files"], ["pipeline/decode=*", "contract", "pipeline/c*"])
    there = [f"pipeline/decode={name}" for name in DECODERS if name not in ("pillow", "dali", "nvjpeg")]
    assert [name for name in found if "/c" not in name] == ["contract", *there]
    assert len(found) == len(there) + 8
    left_out = "pipeline/decode=dali, pipeline/decode=nvjpeg (not here)"
    stack = "pipeline/combined (what it stacks is known once the others are answered)"
    assert found.notes == (f"Left out of what is timed from the stored image on: {left_out}; {stack}.",)


def test_no_decoder_is_looked_at_that_nobody_asks_about(plans, monkeypatch):
    looked = []
    monkeypatch.setattr(decoders, "unavailable", lambda name: looked.append(name))
    feeds_of(plans["files"], ["contract"])
    assert looked == []
    feeds_of(plans["files"], ["pipeline/decode=opencv"])
    assert looked == ["opencv"]
    options = pipeline_options(plans["files"].model, encoded=True, sized=False, among={"pipeline/crop=up"})
    assert list(options.conditions) == ["pipeline/crop=up"]


def test_a_place_that_cannot_is_told_and_its_target_goes_on(files, monkeypatch):
    feed = PlacedEngine.feed

    def without_a_decoder(self, where, description, images):
        if self.name == "null":
            raise UnsupportedError("The decoder opencv needs cv2: pip install seatrial")
        return feed(self, where, description, images)

    monkeypatch.setattr(PlacedEngine, "feed", without_a_decoder)
    found = timing.end_to_end(files, feeds_of(files.plan, ["contract"]), seconds=0.01)
    reference, null = (target.id for target in files.targets)
    assert files.failures == []
    says = "The decoder opencv needs cv2: pip install seatrial"
    assert files.progress.told == [f"{null} is not timed from the stored image on with contract: {says}"]
    assert found[null] == []
    assert [entry["feed"] for entry in found[reference]] == ["contract"]


def test_images_that_come_corrupted_are_fed_as_they_are(plans):
    """They have the model's size, whatever the contract does to others."""
    plan = plans["arrays"]
    plan = dataclasses.replace(plan, released={one.id: plan.data for one in plan.conditions})
    with pytest.raises(UsageError, match="the images come corrupted"):
        feeds_of(plan, ["pipeline/color=bgr"])
    resized = dataclasses.replace(plan.model.contract, resize="short-side", resize_to=20)
    plan = dataclasses.replace(plan, model=dataclasses.replace(plan.model, contract=resized))
    given = feed(plan, feeds_of(plan, ["contract"]).pipelines["contract"], resized, stored(plan, 3))
    assert given.way.images.resize == "none"
    assert (given.kind, len(given.arrays)) == ("array", 3)
    pixels = np.stack(given.arrays)
    np.testing.assert_array_equal(given.feeder(2)[0], resized.normalise(pixels[2:]))


def test_images_that_are_many_bytes_are_fewer(plans, monkeypatch):
    plan = plans["arrays"]
    contract, payloads = feeds_of(plan, ["contract"]).pipelines["contract"], stored(plan, 8)
    size = payloads[0].content.nbytes
    for most, kept in ((size * 3, 3), (size // 2, 1), (size * 100, 8)):
        monkeypatch.setattr(feeds, "_MOST_BYTES", most)
        assert len(feed(plan, contract, plan.model.contract, payloads).payloads) == kept


def test_an_image_that_does_not_decode_is_told_and_ends_nothing(files, monkeypatch):
    monkeypatch.setattr(feeds, "stored", lambda plan, count: [Payload("broken.jpg", b"nothing")])
    found = timing.end_to_end(files, feeds_of(files.plan, ["contract"]), seconds=0.01)
    assert files.failures == []
    assert [("broken.jpg is not an image that decodes" in told) for told in files.progress.told] == [True, True]
    assert list(found.values()) == [[], []]


def test_a_target_that_fails_meanwhile_is_missing_and_the_others_are_not(plans, monkeypatch):
    time_fed = PlacedEngine.time_fed

    def failing(self, *arguments):
        if self.name == "null":
            raise DeviceError("It is gone.")
        return time_fed(self, *arguments)

    monkeypatch.setattr(PlacedEngine, "time_fed", failing)
    with built(plans["files"]) as session:
        found = timing.end_to_end(session, feeds_of(plans["files"], ["contract"]), seconds=0.01)
        reference, null = (target.id for target in session.targets)
        assert [(one.target, one.stage) for one in session.failures] == [(null, "latency")]
    assert list(found) == [reference]


@pytest.mark.parametrize(("queries", "blocks", "p90"), [(10, 7, 1.0), (1, 10, None)])
def test_targets_take_turns_and_each_gets_what_a_p90_needs_within_its_patience(
    files, monkeypatch, queries, blocks, p90
):
    """Blocks of 10 ms by the run's clock, queries of 1 ms by the word of a process; asked for are 10 ms."""
    asked, clock = [], SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now

    def time_fed(self, most, seconds, first):
        asked.append((self.name, first))
        clock.now += 0.01
        whole = np.full(queries, 1_000_000)
        return TimedFed(whole, {"decode": whole // 2, "normalise": whole // 10, "host": whole // 4}, 1)

    monkeypatch.setattr(PlacedEngine, "time_fed", time_fed)
    monkeypatch.setattr(timing, "time", clock)
    found = timing.end_to_end(files, feeds_of(files.plan, ["contract"]), seconds=0.01)
    one, other = ("onnxruntime", "null"), ("null", "onnxruntime")
    turns = [tuple(name for name, _ in asked[at : at + 2]) for at in range(0, len(asked), 2)]
    assert turns == [one if turn % 2 == 0 else other for turn in range(blocks)]
    assert [first for name, first in asked if name == "null"] == [queries * turn for turn in range(blocks)]
    for (entry,) in found.values():
        assert (entry["samples"], entry["wrong"], entry["p90_ms"]) == (queries * blocks, blocks, p90)
        assert (entry["p50_ms"], entry["decode_ms"], entry["resize_ms"], entry["host_ms"]) == (1.0, 0.5, None, 0.25)


def test_parts_add_up_to_the_median_where_each_is_disturbed_in_turn(files, monkeypatch):
    """Of 100 queries of 10 ms, decoding takes 12 ms more in 40, the engine in another 40."""
    decode, host = np.full(100, 4_000_000), np.full(100, 6_000_000)
    decode[:40] += 12_000_000
    host[40:80] += 12_000_000

    def time_fed(self, most, seconds, first):
        return TimedFed(decode + host, {"decode": decode, "host": host}, 0)

    monkeypatch.setattr(PlacedEngine, "time_fed", time_fed)
    found = timing.end_to_end(files, feeds_of(files.plan, ["contract"]), seconds=1e-9)
    for (entry,) in found.values():
        assert entry["p50_ms"] == 22
        assert np.median(decode) + np.median(host) == 10e6
        assert entry["decode_ms"] + entry["host_ms"] == pytest.approx(22)


def test_answers_that_are_not_the_runs_own_are_counted(files, monkeypatch):
    """As by a decoder at the place that is another version's."""
    feed = PlacedEngine.feed

    def other(self, where, description, images):
        answers = feed(self, where, description, images)
        answers[2] += np.float32([0, 1, 0, 0])
        return answers

    monkeypatch.setattr(PlacedEngine, "feed", other)
    found = timing.end_to_end(files, feeds_of(files.plan, ["contract"]), seconds=0.01)
    assert [entry["differ"] for entries in found.values() for entry in entries] == [1, 1]

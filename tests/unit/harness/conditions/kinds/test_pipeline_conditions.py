"""Pipeline conditions: what can be asked of which images, how the images are made, and how conditions are stacked."""

import dataclasses
import io

import numpy as np
import pytest
from conftest import make_folders, make_model
from PIL import Image
from specs import flat

from seatrial import exporters
from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.conditions import choose, resolve
from seatrial.harness.conditions.kinds.pipeline.ids import COMBINED, known_pipeline_ids
from seatrial.harness.conditions.kinds.pipeline.kind import jpeg_notes
from seatrial.harness.conditions.kinds.pipeline.options import pipeline_options
from seatrial.harness.conditions.kinds.pipeline.stack import stacked
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Pending
from seatrial.harness.data import open_source, select
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline import readings as readings_module
from seatrial.harness.pipeline.decoders import decode
from seatrial.harness.pipeline.originals import Originals, enlarged, reencoded
from seatrial.harness.pipeline.readings import Reading, read_all
from seatrial.harness.pipeline.reference import model_pixels
from seatrial.harness.plan.making import make_plan
from seatrial.harness.plan.passes import reading_of
from seatrial.harness.progress import Silent
from seatrial.harness.run.executors.batches import passes_of
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE

CROPPED = ContractOptions(resize=20, crop=(16, 16))


@pytest.fixture
def model(tmp_path):
    return exporters.load(make_model(tmp_path / "m.onnx"), contract=CROPPED)


def options(model, *, encoded=True, sized=False):
    return pipeline_options(model, encoded=encoded, sized=sized)


def folders(tmp_path, images=3):
    root = make_folders(tmp_path / "data", images=images)
    return select(open_source(root, 4, lambda names: {name: int(name[-1]) for name in names}), seed=0, limit=None)


def arrays(tmp_path, size=(16, 16)):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, *size, 3), dtype=np.uint8), np.arange(6) % 4
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    return select(open_source(tmp_path / "data.npz", 4, None), seed=0, limit=None), images


def test_every_id_is_a_condition_or_has_a_reason(model):
    for encoded in (True, False):
        for sized in (True, False):
            found = options(model, encoded=encoded, sized=sized)
            assert sorted([*found.conditions, *found.refused]) == sorted(known_pipeline_ids()[:-1])
            assert not found.conditions.keys() & found.refused.keys()
            assert all(condition.id == name for name, condition in found.conditions.items())


def test_what_the_contract_says_is_no_question(model):
    refused = options(model).refused
    for name in ("decode=pillow", "orientation=ignore", "resize=pillow-bilinear", "crop=half-even"):
        assert refused[f"pipeline/{name}"] == "it is what the contract says"
    other = dataclasses.replace(model, contract=dataclasses.replace(model.contract, decoder="opencv"))
    assert "pipeline/decode=pillow" in options(other).conditions


def test_arrays_are_encoded_and_enlarged_first(model):
    sized = options(model, encoded=False, sized=True)
    decoded = sized.conditions["pipeline/decode=pillow"]
    assert decoded.reencode
    assert decoded.contract == (("decoder", "pillow"),)
    resized = sized.conditions["pipeline/resize=pillow-bilinear"]
    assert resized.enlarge
    assert not resized.reencode
    assert "EXIF" in sized.refused["pipeline/orientation=apply"]
    assert "size already" in sized.refused["pipeline/rule=letterbox"]
    larger = options(model, encoded=False, sized=False).conditions
    assert not larger["pipeline/resize=opencv-area"].enlarge


def test_arrays_that_the_contract_resizes_and_crops_are_asked_as_files_are(tmp_path):
    """Of the model's size, but `clean` enlarges and crops them."""
    make_model(tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", images=rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8), labels=np.arange(6) % 4)
    model, data = str(tmp_path / "m.onnx"), str(tmp_path / "d.npz")
    spec = flat(RunSpec, model=model, data=data, contract=CROPPED, suite="pipeline", targets=(REFERENCE,))
    plan = make_plan(spec, Silent())
    assert {"pipeline/rule=letterbox", "pipeline/crop=down"} <= {one.id for one in plan.conditions}
    for condition in plan.conditions:
        assert reading_of(condition, plan.model.contract).contract.size == (16, 16)


def test_a_stack_holds_all_of_its_parts(model):
    found = options(model, encoded=False, sized=True).conditions
    parts = [
        found[f"pipeline/{name}"] for name in ("decode=opencv", "resize=opencv-nearest", "color=bgr", "input=div256")
    ]
    whole = stacked("pipeline/combined@4", parts)
    assert dict(whole.contract) == {
        "decoder": "opencv",
        "interpolation": "opencv-nearest",
        "resize": "exact",
        "resize_to": None,
    }
    assert (whole.reencode, whole.enlarge, whole.numbers) == (True, True, "div256")
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(whole.apply(image, ["a"], 0), image[..., ::-1])
    assert stacked("pipeline/combined@1", parts[:1]) == dataclasses.replace(
        parts[0], id="pipeline/combined@1", parts=(parts[0].id,)
    )


def test_each_way_is_the_reference_pipeline_of_its_contract(model, tmp_path):
    selection = folders(tmp_path)
    conditions = [one for one in options(model).conditions.values() if one.from_source]
    assert len(conditions) > 20
    with Originals(selection, tmp_path, workers=1) as originals:
        asked = {one.id: reading_of(one, model.contract) for one in conditions}
        found = read_all(originals, 2, 7, list(dict.fromkeys(asked.values())))
    payloads = dict(selection.source.stream(selection.indices[2:7]))
    for one in asked.values():
        expected = [model_pixels(payloads[position], one.contract) for position in range(5)]
        np.testing.assert_array_equal(found[one], expected)
    assert len({found[one].tobytes() for one in asked.values()}) > 10


def test_each_image_is_decoded_once_for_each_decoder(model, tmp_path, monkeypatch):
    selection, calls = folders(tmp_path), []

    def counted(payload, decoder, orientation):
        calls.append((payload.where, decoder, orientation))
        return decode(payload, decoder, orientation)

    monkeypatch.setattr(readings_module, "decode", counted)
    conditions = [one for one in options(model).conditions.values() if one.from_source]
    with Originals(selection, tmp_path, workers=1) as originals:
        read_all(originals, 0, len(selection), [reading_of(one, model.contract) for one in conditions])
    assert len(calls) == len(set(calls))
    assert {(decoder, orientation) for _, decoder, orientation in calls} == {
        (one.contract.decoder, one.contract.orientation)
        for one in (reading_of(one, model.contract) for one in conditions)
    }


def test_conditions_that_decode_alike_are_read_together(model):
    found = options(model).conditions
    names = ["resize=opencv-area", "rule=exact", "decode=opencv", "color=bgr", "input=div256", "crop=down"]
    trials = [Pending(found[f"pipeline/{name}"], ("t",)) for name in names]
    groups = [
        [one.condition.id.removeprefix("pipeline/") for one in group] for group in passes_of(trials, model.contract)
    ]
    assert groups == [
        ["resize=opencv-area", "rule=exact", "crop=down"],
        ["decode=opencv"],
        ["color=bgr"],
        ["input=div256"],
    ]


def test_arrays_by_position(model, tmp_path):
    selection, images = arrays(tmp_path)
    contract = model.contract
    up = Reading(
        dataclasses.replace(contract, resize="exact", resize_to=None, interpolation="opencv-nearest"), enlarge=True
    )
    jpeg = Reading(dataclasses.replace(contract, resize="none", resize_to=None, decoder="opencv"), reencode=True)
    with Originals(selection, tmp_path, workers=2) as originals:
        assert len(originals) == 6
        found = read_all(originals, 1, 5, [up, jpeg])
    for position, index in enumerate(selection.indices[1:5]):
        image = images[index]
        larger = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(enlarged(image), larger)
        np.testing.assert_array_equal(found[up][position], larger[::2, ::2])
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "jpeg", quality=95)
        assert reencoded(Payload("x", image)).content == buffer.getvalue()
        np.testing.assert_array_equal(
            found[jpeg][position], decode(Payload("x", buffer.getvalue()), "opencv", "ignore")
        )


@pytest.fixture
def asked(model, tmp_path):
    """What becomes of globs, or of a suite, for JPEG files of another size than the model's."""
    found = folders(tmp_path, images=1)

    def resolved(*globs, suite="standard"):
        world = LoadedWorld(model=model, data=found, path=tmp_path)
        return resolve(choose(suite, world, globs), globs, world)

    return resolved


def test_the_suite_asks_for_all_that_has_sense(model, asked):
    found = asked(suite="pipeline")
    assert found.later == (COMBINED,)
    assert [one.id for one in found.conditions] == ["clean", *options(model).conditions]
    (note,) = found.notes
    assert "pipeline/graph=ceil-mode (" in note
    assert "decode=pillow" not in note


def test_decoders_have_little_to_decide_without_jpegs(asked):
    found = asked("pipeline/decode=*").conditions
    assert jpeg_notes(found, ["a.jpg", "b.JPEG"]) == []
    assert jpeg_notes(found, None) == []
    (note,) = jpeg_notes(found, ["a.jpg", "b.png", "c.png"])
    assert note.startswith("1 of 3 images are JPEG files")
    assert jpeg_notes(asked("pipeline/color=*").conditions, ["b.png"]) == []


def test_other_suites_hold_no_pipeline_conditions(asked):
    assert not asked(suite="full").later
    assert not any(one.id.startswith("pipeline/") for one in asked(suite="full").conditions)


def test_globs_choose_pipeline_conditions(asked):
    found = asked("pipeline/resize=opencv-*", "corruption/fog@3")
    assert [one.id for one in found.conditions][:3] == ["clean", "corruption/fog@3", "pipeline/resize=opencv-nearest"]
    assert not found.later
    assert not found.notes


def test_the_combination_takes_the_single_ones_with_it(model, asked):
    found = asked(COMBINED)
    assert found.later == (COMBINED,)
    assert [one.id for one in found.conditions] == ["clean", *options(model).conditions]


def test_what_is_named_and_has_no_sense_is_refused_with_the_reason(asked):
    with pytest.raises(UsageError, match=r"graph=ceil-mode cannot be asked .* max pooling"):
        asked("pipeline/graph=ceil-mode")
    with pytest.raises(UsageError, match="No condition matches"):
        asked("pipeline/graph=nothing")

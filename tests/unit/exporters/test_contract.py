"""The input contract: the numbers it makes, and its way through an ONNX file."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from conftest import make_model

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import CONTRACT_KEY, InputContract, embed, read_class_names, read_contract
from seatrial.exporters.options import ContractOptions
from seatrial.exporters.presets import PRESETS

IMAGENET = PRESETS["imagenet"]


def all_values() -> np.ndarray:
    """Every uint8 value in every channel, in another order in each: [1, 16, 16, 3]."""
    ramp = np.arange(256, dtype=np.uint8)
    return np.stack([ramp, ramp[::-1], np.roll(ramp, 100)], axis=-1).reshape(1, 16, 16, 3)


def test_normalise_is_to_tensor_and_normalize_bit_for_bit():
    images = all_values()
    mean = np.array(IMAGENET.mean, np.float32).reshape(3, 1, 1)
    std = np.array(IMAGENET.std, np.float32).reshape(3, 1, 1)
    expected = (images[0].transpose(2, 0, 1).astype(np.float32) / np.float32(255) - mean) / std
    np.testing.assert_array_equal(IMAGENET.normalise(images)[0], expected)


def test_bgr_swaps_the_channels_before_mean_and_std():
    images = all_values()
    bgr = dataclasses.replace(IMAGENET, color="bgr")
    np.testing.assert_array_equal(bgr.normalise(images), IMAGENET.normalise(images[..., ::-1]))
    assert not np.array_equal(bgr.normalise(images), IMAGENET.normalise(images))


def test_normalise_does_not_depend_on_the_batch():
    images = np.random.default_rng(0).integers(0, 256, (5, 7, 9, 3), dtype=np.uint8)
    whole = IMAGENET.normalise(images)
    np.testing.assert_array_equal(whole, np.concatenate([IMAGENET.normalise(images[i : i + 1]) for i in range(5)]))
    assert whole.flags.c_contiguous
    assert whole.dtype == np.float32


@pytest.mark.parametrize("name", PRESETS)
def test_contract_and_class_names_survive_the_onnx_file(name, tmp_path):
    path = make_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    assert read_contract(model) is None
    embed(model, PRESETS["cifar10"], ["x"])
    embed(model, PRESETS[name], ["a", "b", "c", "d"])  # replaces the first
    onnx.save(model, path)
    again = onnx.load(path)
    assert read_contract(again) == PRESETS[name]
    assert read_class_names(again) == ("a", "b", "c", "d")
    assert len(again.metadata_props) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"size": [224]},
        {"size": "224"},
        {"size": [224.5, 224]},
        {"mean": [0, 0]},
        {"mean": None},
        {"resize_to": "256"},
        {"surprise": 1},
        {"layout": "chwn"},
        {"dtype": "uint8"},
        {"crop_offset": "floor"},
        {"crop_offset": None},
        {"crop_offset": ["down"]},
        {"pad_value": "114"},
        {"pad_value": 114.0},
        {"pad_value": True},
        {"pad_value": None},
        {"pad_value": 256},
        {"resize": "squash-crop", "resize_to": None},
        {"resize": "letterbox"},
    ],
)
def test_a_malformed_contract_is_bad_input(change):
    with pytest.raises(BadInputError):
        InputContract.from_dict({**IMAGENET.to_dict(), **change})


@pytest.mark.parametrize("text", ["{", "[1]", "7", '"text"', "[" * 100_000])
def test_metadata_that_is_no_contract_is_bad_input(text, tmp_path):
    model = onnx.load(make_model(tmp_path / "m.onnx"))
    model.metadata_props.add(key=CONTRACT_KEY, value=text)
    with pytest.raises(BadInputError):
        read_contract(model)


@pytest.mark.parametrize(
    "change",
    [
        {"resize": "stretch"},
        {"color": "gray"},
        {"std": (1.0, 0.0, 1.0)},
        {"mean": (float("nan"), 0.0, 0.0)},
        {"divisor": 0.0},
        {"size": (0, 5)},
        {"size": (100_000, 5)},
        {"resize_to": 200},
        {"resize_to": None},
        {"interpolation": "cubic"},
        {"crop_offset": "floor"},
        {"pad_value": -1},
        {"pad_value": 256},
        {"resize": "letterbox"},
        {"resize": "squash-crop", "resize_to": 200},
    ],
)
def test_values_that_no_image_can_follow_are_refused(change):
    with pytest.raises(UsageError):
        dataclasses.replace(IMAGENET, **change)


def test_to_dict_is_json_and_round_trips():
    for contract in PRESETS.values():
        assert InputContract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


def test_a_contract_written_before_there_were_offsets_and_padding_is_read():
    older = {key: value for key, value in IMAGENET.to_dict().items() if key not in ("crop_offset", "pad_value")}
    assert InputContract.from_dict(older) == IMAGENET
    assert (IMAGENET.crop_offset, IMAGENET.pad_value) == ("half-even", 114)


@pytest.mark.parametrize("change", [{"crop_offset": "down"}, {"pad_value": 0}])
def test_offset_and_padding_are_part_of_the_image_side(change):
    other = dataclasses.replace(IMAGENET, **change)
    assert other.to_dict() != IMAGENET.to_dict()
    assert other.image_side() != IMAGENET.image_side()
    assert InputContract.from_dict(json.loads(json.dumps(other.to_dict()))) == other


def test_the_value_table_is_what_normalise_looks_up():
    images = all_values()
    table = IMAGENET.value_table()
    np.testing.assert_array_equal(IMAGENET.normalise(images)[0, 1], table[1][images[0, ..., 1]])
    halved = dataclasses.replace(IMAGENET, color="bgr", layout="nhwc", dtype="float16").look_up(images, table / 2)
    assert halved.dtype == np.float16
    np.testing.assert_array_equal(halved[0, ..., 0], (table[0] / 2).astype(np.float16)[images[0, ..., 2]])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("change", [{}, {"dtype": "float16"}, {"layout": "nhwc"}, {"color": "bgr"}])
def test_normalise_and_the_look_up_of_its_table_give_the_same_bits(preset, change):
    contract = dataclasses.replace(PRESETS[preset], **change)
    found, expected = contract.normalise(all_values()), contract.look_up(all_values(), contract.value_table())
    assert (found.dtype, found.tobytes()) == (expected.dtype, expected.tobytes())


def test_flags_alone_make_a_contract():
    options = ContractOptions(size=(64, 64), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert options.resolve(None) == InputContract((64, 64), "exact", mean=(0.5,) * 3, std=(0.5,) * 3)


def test_resize_and_crop_are_torchvisions():
    options = ContractOptions(resize=256, crop=(224, 224), mean=IMAGENET.mean, std=IMAGENET.std)
    assert options.resolve(None) == IMAGENET


def test_flags_replace_single_fields_of_preset_or_carried_contract():
    half = (0.5, 0.5, 0.5)
    assert ContractOptions(preset="imagenet", mean=half, std=half).resolve(None) == PRESETS["imagenet-inception"]
    assert ContractOptions(color="bgr").resolve(IMAGENET) == dataclasses.replace(IMAGENET, color="bgr")
    assert ContractOptions().resolve(IMAGENET) == IMAGENET
    assert ContractOptions(preset="cifar10").resolve(IMAGENET) == PRESETS["cifar10"]
    exact = ContractOptions(resize="exact").resolve(IMAGENET)
    assert exact == dataclasses.replace(IMAGENET, resize="exact", resize_to=None)


def test_letterbox_and_squash_have_flags():
    boxed = ContractOptions(size=(64, 48), resize="letterbox", pad_value=0).resolve(None)
    assert boxed == InputContract((64, 48), "letterbox", pad_value=0)
    assert ContractOptions(resize="letterbox").resolve(IMAGENET) == dataclasses.replace(
        IMAGENET, resize="letterbox", resize_to=None
    )
    squashed = ContractOptions(resize=(256, 256), crop=(224, 224)).resolve(None)
    assert squashed == InputContract((224, 224), "squash-crop", 256)
    assert ContractOptions(resize=(256, 256), crop=(224, 224), size=(224, 224)).resolve(None) == squashed


def test_the_crops_offset_is_a_flag_of_its_own_and_part_of_the_geometry():
    down = dataclasses.replace(IMAGENET, crop_offset="down")
    assert ContractOptions(crop_offset="down").resolve(IMAGENET) == down
    assert ContractOptions(resize=256, crop=(224, 224)).resolve(down) == IMAGENET
    assert ContractOptions(resize=256, crop=(224, 224), crop_offset="up").resolve(down).crop_offset == "up"
    assert ContractOptions(color="bgr").resolve(down).crop_offset == "down"


def test_nothing_given_and_nothing_carried_is_nothing():
    assert ContractOptions().resolve(None) is None


@pytest.mark.parametrize(
    "options",
    [
        ContractOptions(preset="imagnet"),
        ContractOptions(mean=(0.0, 0.0, 0.0)),
        ContractOptions(crop=(224, 224)),
        ContractOptions(resize=256),
        ContractOptions(size=(32, 32), resize=(64, 64)),
        ContractOptions(resize=128, crop=(224, 224)),
        ContractOptions(resize=(256, 320), crop=(224, 224)),
        ContractOptions(resize=(128, 128), crop=(224, 224)),
        ContractOptions(resize=(256, 256), crop=(224, 224), size=(192, 192)),
        ContractOptions(size=(32, 32), resize="letterbocks"),
        ContractOptions(crop_offset="down"),
    ],
)
def test_contradictory_or_incomplete_flags_are_refused(options):
    with pytest.raises(UsageError):
        options.resolve(None)

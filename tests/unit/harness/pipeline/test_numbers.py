"""The input tensor in other arithmetic, against NumPy's casts and ONNX Runtime's quantization."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp

from seatrial.errors import UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.presets import PRESETS
from seatrial.harness.pipeline.numbers import NUMBERS, tensor

IMAGENET = PRESETS["imagenet"]
CONTRACTS = {
    "imagenet": IMAGENET,
    "bgr, nhwc": dataclasses.replace(IMAGENET, color="bgr", layout="nhwc"),
    "-1..1": PRESETS["imagenet-inception"],
    "0..1": InputContract((8, 8)),
    "Caffe": InputContract((8, 8), divisor=1.0, mean=(103.939, 116.779, 123.68), color="bgr"),
    "halves at both ends": InputContract((8, 8), divisor=1.0, mean=(1.5,) * 3),
    "far from 0": InputContract((8, 8), mean=(-1.0, -2.0, -3.0)),
}


def all_values():
    """Every uint8 value in every channel, in another order in each: [1, 16, 16, 3]."""
    ramp = np.arange(256, dtype=np.uint8)
    return np.stack([ramp, ramp[::-1], np.roll(ramp, 100)], axis=-1).reshape(1, 16, 16, 3)


def quantized_by_onnxruntime(x, scale, zero):
    """QuantizeLinear and DequantizeLinear to int8, run."""
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [
            helper.make_tensor("s", TensorProto.FLOAT, [], [float(scale)]),
            helper.make_tensor("z", TensorProto.INT8, [], [int(zero)]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "halves at both ends"])  # float16 has those
def test_fp16_is_a_cast_there_and_back(name):
    contract = CONTRACTS[name]
    expected = contract.normalise(all_values()).astype(np.float16).astype(np.float32)
    found = tensor(all_values(), contract, "fp16")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CONTRACTS)
def test_int8_scale_is_onnxruntimes_min_max_quantization(name):
    contract = CONTRACTS[name]
    plain = contract.normalise(all_values())
    # float64, for a zero point that float32 does not decide: at -127.5 the last bit would.
    low, high = np.float64(min(plain.min(), 0)), np.float64(max(plain.max(), 0))
    zero, scale = compute_scale_zp(low, high, np.array(-128), np.array(127), symmetric=False)
    expected = quantized_by_onnxruntime(plain, np.float32(scale), zero)
    np.testing.assert_array_equal(tensor(all_values(), contract, "int8-scale"), expected)
    assert len(np.unique(expected)) <= 256
    assert 0 < np.abs(expected - plain).max() <= scale * 1.001


def test_int8_scale_merges_levels_of_imagenets_channels():
    found = tensor(all_values(), IMAGENET, "int8-scale")
    # The three channels share one grid of 256 points, which is wider than any of their own ranges.
    assert all(230 < len(np.unique(channel)) < 256 for channel in found[0])


@pytest.mark.parametrize("name", ["imagenet", "bgr, nhwc", "-1..1", "0..1"])
def test_div256_is_a_division_by_256(name):
    contract = CONTRACTS[name]
    pixels = all_values()[..., ::-1] if contract.color == "bgr" else all_values()
    scaled = pixels.astype(np.float32) / np.float32(256)
    expected = (scaled - np.float32(contract.mean)) / np.float32(contract.std)
    if contract.layout == "nchw":
        expected = expected.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(tensor(all_values(), contract, "div256"), expected)


def test_without_a_name_it_is_the_contract():
    np.testing.assert_array_equal(tensor(all_values(), IMAGENET), IMAGENET.normalise(all_values()))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_float16_tensor_keeps_its_type_and_layout(name):
    contract = dataclasses.replace(IMAGENET, dtype="float16", layout="nhwc")
    if NUMBERS[name].refuses(contract) is None:
        found = tensor(all_values(), contract, name)
        assert found.dtype == np.float16
        assert found.shape == (1, 16, 16, 3)
        assert not np.array_equal(found, contract.normalise(all_values()))
    else:
        assert name == "fp16"


@pytest.mark.parametrize("name", NUMBERS)
def test_the_batch_does_not_matter(name):
    images = np.random.default_rng(0).integers(0, 256, (5, 7, 9, 3), dtype=np.uint8)
    parts = [tensor(images[i : i + 1], IMAGENET, name) for i in range(5)]
    np.testing.assert_array_equal(tensor(images, IMAGENET, name), np.concatenate(parts))


RAW = InputContract((8, 8), divisor=1.0)


@pytest.mark.parametrize(
    ("name", "contract", "reason"),
    [
        *((name, dataclasses.replace(RAW, dtype="uint8"), "8-bit pixels as they are") for name in NUMBERS),
        ("fp16", RAW, "changes no value"),
        ("fp16", dataclasses.replace(IMAGENET, dtype="float16"), "changes no value"),
        ("fp16", dataclasses.replace(IMAGENET, std=(1e-6,) * 3), "float16 does not reach"),
        ("int8-scale", RAW, "changes no value"),
        ("div256", RAW, "divides by 1, not by 255"),
        ("div256", dataclasses.replace(IMAGENET, divisor=127.5), "divides by 127.5"),
    ],
)
def test_what_a_contract_gives_no_sense_is_refused_with_the_reason(name, contract, reason):
    assert reason in NUMBERS[name].refuses(contract)
    with pytest.raises(ValueError, match=reason):
        tensor(all_values(), contract, name)


def test_the_usual_contract_gives_sense_to_all():
    assert {name: NUMBERS[name].refuses(IMAGENET) for name in NUMBERS} == dict.fromkeys(
        ("fp16", "int8-scale", "div256")
    )


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="fp16"):
        tensor(all_values(), IMAGENET, "fp61")

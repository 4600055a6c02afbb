"""8-bit pixels that become the input tensor in the engine's process: the same bits as on the host, a quarter of them
on the way.
"""

import dataclasses

import numpy as np
import pytest
from piped import piped

from seatrial.engines import BuildRequest
from seatrial.engines.places import LOCAL, EngineProcess, Pixels, PlacedEngine, build
from seatrial.engines.places.pixels import tensor_of
from seatrial.exporters.contract import InputContract
from seatrial.harness.pipeline.numbers import NUMBERS, tensor

CONTRACT = InputContract((16, 16), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).integers(0, 256, (5, 16, 16, 3), np.uint8)


def pixels(images, contract, table=None):
    table = contract.value_table() if table is None else table
    return Pixels(images, table, contract.color, contract.layout, contract.dtype)


@pytest.mark.parametrize("place", ["here", "behind pipes"])
def test_answers_to_pixels_are_those_to_the_tensor(model_file, images, place):
    request = BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)
    place = LOCAL if place == "here" else piped()
    with build("onnxruntime", request, place=place) as engine:
        for numbers in (None, *NUMBERS):
            table = None if numbers is None else NUMBERS[numbers].table(CONTRACT)
            asked = engine.infer(pixels(images, CONTRACT, table))
            np.testing.assert_array_equal(asked, engine.infer(tensor(images, CONTRACT, numbers)))
        sent = engine.intermediates(pixels(images, CONTRACT))
        whole = engine.intermediates(CONTRACT.normalise(images))
        assert list(sent) == list(whole)
        with pytest.raises(ValueError, match=r"Pixels are uint8 \[N, H, W, 3\], not uint8 \[5, 16, 16\]"):
            engine.infer(pixels(images[..., 0], CONTRACT))
        with pytest.raises(ValueError, match=r"takes float32 \[N, 3, 16, 16\], got float32 \[5, 3, 8, 8\]"):
            engine.infer(pixels(images[:, ::2, ::2], CONTRACT))
        assert engine.infer(pixels(images, CONTRACT)).shape == (5, 4)  # nothing died of it


@pytest.mark.parametrize("color", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_contract_gives_the_bits_that_normalise_gives(images, color, layout, dtype):
    scale = {"mean": (0.45,), "std": (0.226,)} if color == "gray" else {}
    contract = dataclasses.replace(CONTRACT, color=color, layout=layout, dtype=dtype, **scale)
    sent = pixels(images, contract)
    found, expected = tensor_of(sent.fields, [sent.array, sent.table]), contract.normalise(images)
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def test_an_8_bit_input_gets_the_pixels_themselves(images):
    raw = dataclasses.replace(CONTRACT, divisor=1.0, mean=(0.0,), std=(1.0,), dtype="uint8", layout="nhwc")
    sent = pixels(images, raw)
    np.testing.assert_array_equal(tensor_of(sent.fields, [sent.array, sent.table]), images)


@pytest.mark.parametrize(
    ("fields", "table", "says"),
    [
        ({"color": "cmyk"}, None, "no 'float32' 'cmyk'"),
        ({"layout": "chwn"}, None, "'chwn'"),
        ({"dtype": "object"}, None, "no 'object'"),
        ({"color": "gray"}, None, r"float32 \[1, 256\], not float32 \[3, 256\]"),
        ({}, np.zeros((3, 255), np.float32), r"\[3, 255\]"),
        ({}, np.zeros((3, 256)), "float64"),
    ],
)
def test_what_no_contract_makes_is_refused(images, fields, table, says):
    sent = pixels(images, CONTRACT)
    with pytest.raises(ValueError, match=says):
        tensor_of({**sent.fields, **fields}, [images, sent.table if table is None else table])


def test_pixels_are_a_quarter_of_the_bytes(model_file, images, monkeypatch):
    from seatrial.engines.places import process as module

    request = BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)
    with EngineProcess("null", place=piped()) as process:
        engine = PlacedEngine(process, request)
        sizes, send = [], module.send
        monkeypatch.setattr(
            module,
            "send",
            lambda channel, message, arrays=(), deadline=None: (
                sizes.append(sum(array.nbytes for array in arrays)) or send(channel, message, arrays, deadline)
            ),
        )
        engine.infer(CONTRACT.normalise(images))
        engine.infer(pixels(images, CONTRACT))
    assert sizes == [5 * 16 * 16 * 3 * 4, 5 * 16 * 16 * 3 + 3 * 256 * 4]

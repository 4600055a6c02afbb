"""One stored image to the engine's input: the run's own pixels and numbers, and the time of each step."""

import dataclasses
import io
import time

import numpy as np
import pytest
from PIL import Image

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline import color, feeding
from seatrial.harness.pipeline.feeding import STEPS, Way, feeder
from seatrial.harness.pipeline.numbers import tensor
from seatrial.harness.pipeline.reference import model_pixels

CONTRACT = InputContract((16, 16), "short-side", 20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def photograph(seed, size=(40, 31)):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def files(count=3):
    found = []
    for seed in range(count):
        buffer = io.BytesIO()
        photograph(seed).save(buffer, "JPEG", quality=90)
        found.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return found


def made(way, images):
    return feeder({"way": way.to_dict(), "names": [f"image {i}" for i in range(len(images))]}, images)


@pytest.mark.parametrize("decoder", ["pillow", "opencv"])
@pytest.mark.parametrize("filter_", ["pillow-bilinear", "opencv-area", "torch-bilinear-antialias"])
def test_a_file_becomes_what_the_run_makes_of_it(decoder, filter_):
    if filter_.startswith("torch"):
        pytest.importorskip("torch")
    images = dataclasses.replace(CONTRACT, decoder=decoder, interpolation=filter_)
    encoded = files()
    feed = made(Way(images, CONTRACT, encoded=True), encoded)
    for index, content in enumerate(encoded):
        batch, taken = feed(index)
        pixels = model_pixels(Payload("", content.tobytes()), images)
        np.testing.assert_array_equal(batch, CONTRACT.normalise(pixels[None]))
        assert list(feed.steps) == ["decode", "resize", "normalise"]
        assert min(taken[name] for name in feed.steps) > 0


def test_no_time_falls_between_two_steps(monkeypatch):
    images = dataclasses.replace(CONTRACT, decoder="opencv", interpolation="opencv-area")
    feed = made(Way(images, CONTRACT, encoded=True, color="nv12-bt709"), files())
    looks = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(looks))
    for index in range(3):
        began = next(looks)
        _, taken = feed(index)
        # Each step ends with the look at the clock that begins the next one.
        assert taken == {"decode": 1, "resize": 1, "color": 1, "normalise": 1}
        assert next(looks) - began == 1 + sum(taken.values()) + 1


def test_colours_and_numbers_are_those_of_the_conditions():
    pixels = np.asarray(photograph(1, (16, 16)))
    own = InputContract((16, 16), layout="nhwc")
    way = Way(own, own, encoded=False, color="nv12-bt709", numbers="fp16")
    feed = made(way, [pixels])
    batch, _ = feed(0)
    np.testing.assert_array_equal(batch, tensor(color.nv12_bt709(pixels)[None], own, "fp16"))
    assert list(feed.steps) == ["color", "normalise"]


def test_an_engine_gets_the_tensor_of_its_own_contract():
    own = dataclasses.replace(CONTRACT, dtype="float16")
    content = files(1)
    batch, _ = made(Way(CONTRACT, own, encoded=True), content)(0)
    pixels = model_pixels(Payload("", content[0].tobytes()), CONTRACT)
    np.testing.assert_array_equal(batch, own.normalise(pixels[None]))
    assert batch.dtype == np.float16


def test_every_nanosecond_belongs_to_the_step_that_took_it(monkeypatch):
    """Steps of 10, 20, 30 and 40 ms by a clock that they alone move."""
    now = [0]

    def slow(function, milliseconds):
        def called(*arguments):
            now[0] += milliseconds * 10**6
            return function(*arguments)

        return called

    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])
    monkeypatch.setattr(feeding, "picture_of", slow(feeding.picture_of, 10))
    monkeypatch.setattr(feeding, "to_size", slow(feeding.to_size, 20))
    monkeypatch.setattr(feeding, "COLORS", {"bgr": slow(color.bgr, 30)})
    monkeypatch.setattr(feeding, "tensor", slow(feeding.tensor, 40))
    feed = made(Way(CONTRACT, CONTRACT, encoded=True, color="bgr"), files(1))
    assert {name: value / 1e6 for name, value in feed(0)[1].items()} == dict(zip(STEPS, (10, 20, 30, 40), strict=True))
    assert feed.steps == STEPS
    none = dataclasses.replace(CONTRACT, resize="none", resize_to=None, size=(31, 40))
    feed = made(Way(none, none, encoded=True), files(1))
    assert feed.steps == ("decode", "normalise")
    assert [feed(0)[1][name] / 1e6 for name in feed.steps] == [30, 40]


def test_what_does_not_decode_or_is_unknown_is_told():
    with pytest.raises(BadInputError, match="image 0 is not an image"):
        made(Way(CONTRACT, CONTRACT, encoded=True), [np.zeros(40, np.uint8)])(0)
    with pytest.raises(UsageError, match="Unknown colour change"):
        made(Way(CONTRACT, CONTRACT, encoded=True, color="sepia"), files(1))


def test_a_way_survives_as_json():
    way = Way(CONTRACT, dataclasses.replace(CONTRACT, dtype="float16"), True, "bgr", "fp16", 2)
    assert Way.from_dict(way.to_dict()) == way

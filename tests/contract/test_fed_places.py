"""From the stored image to the answer at every place: the answers that the run gives, and times that add up."""

import io

import numpy as np
import pytest
from PIL import Image
from piped import piped

from seatrial.engines import BuildRequest
from seatrial.engines.places import LOCAL, build
from seatrial.errors import BadInputError, DeviceError, UnsupportedError
from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.feeding import FEEDER, Way
from seatrial.harness.pipeline.reference import model_pixels

CONTRACT = InputContract((16, 16), "short-side", 24, interpolation="opencv-area", decoder="opencv")
WAY = Way(CONTRACT, CONTRACT, encoded=True)


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


def files(count):
    found = []
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        found.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return found


def description(count):
    return {"way": WAY.to_dict(), "names": [f"{index}.jpg" for index in range(count)]}


@pytest.mark.parametrize("place", [LOCAL, piped()], ids=["here", "behind pipes"])
def test_the_answer_is_the_runs_own_bit_for_bit_and_the_parts_are_most_of_the_whole(place, request_small):
    images = files(3)
    with build("onnxruntime", request_small, place=place) as engine:
        answers = engine.feed(FEEDER, description(3), images)
        for answer, content in zip(answers, images, strict=True):
            pixels = model_pixels(Payload("", content.tobytes()), CONTRACT)
            np.testing.assert_array_equal(answer, engine.infer(CONTRACT.normalise(pixels[None]))[0])
        found = engine.time_fed(50, 60.0, first=1)
        assert found.wrong == 0
        assert list(found.parts) == ["decode", "resize", "normalise", "host"]
        assert len(found.whole) == 50
        # Exactly what belongs to which step is asserted under a clock of its own; a whole step that is lost shows here.
        assert 0.5 < np.median(sum(found.parts.values()) / found.whole) <= 1
        assert len(engine.time_fed(1 << 30, 0.05).whole) < 1 << 20


def test_a_place_without_a_library_says_what_to_install_and_its_engine_goes_on(request_small):
    place = piped(before="import sys; sys.modules['PIL'] = None")
    images = files(1)
    with build("onnxruntime", request_small, place=place) as engine:
        with pytest.raises(UnsupportedError, match=r"Timing from the stored image on needs .*PIL"):
            engine.feed(FEEDER, description(1), images)
        with pytest.raises(DeviceError, match="Nothing feeds the engine"):
            engine.time_fed(1, 1.0)
        assert engine.infer(np.zeros((1, 3, 16, 16), np.float32)).shape == (1, 4)


def test_a_failure_there_keeps_its_kind_and_the_engine_goes_on(request_small):
    with build("onnxruntime", request_small) as engine:
        with pytest.raises(BadInputError, match=r"0\.jpg is not an image that decodes"):
            engine.feed(FEEDER, description(1), [np.zeros(100, np.uint8)])
        with pytest.raises(UnsupportedError, match="nowhere"):  # a PackageError there, which is none of `errors`
            engine.feed("nowhere:feeder", description(1), files(1))
        assert engine.infer(np.zeros((1, 3, 16, 16), np.float32)).shape == (1, 4)


def fed_once(engine):
    engine.feed(FEEDER, description(1), files(1))
    engine.time_fed(1, 1.0)


@pytest.mark.parametrize(
    "lie",
    [
        "Fed.time = lambda *a: (np.array([5]), np.array([[9, 9, 9, 9]]), 0)",
        "Fed.time = lambda *a: (np.array([5, 6]), np.ones((2, 4), np.int64), 0)",
        "Fed.steps = property(lambda self: ['host'] * 4, lambda self, value: None)",
        "Fed.answers = property(lambda self: np.zeros((1, 5), np.float32), lambda self, value: None)",
    ],
)
def test_lies_of_a_place_are_its_engines_failure(request_small, lie):
    place = piped(after=f"import numpy as np; from seatrial.engines.timing.fed import Fed; {lie}")
    with (
        build("onnxruntime", request_small, place=place) as engine,
        pytest.raises(DeviceError, match="sent what is no answer"),
    ):
        fed_once(engine)

"""The reference pipeline against direct calls of Pillow and OpenCV, the scratch store, and work ahead in order."""

import dataclasses
import io
import threading
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import INTERPOLATIONS, InputContract
from seatrial.exporters.presets import PRESETS
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.data.source import Payload
from seatrial.harness.ipp import without_ipp
from seatrial.harness.pipeline import ImageStore, ordered_map, spool
from seatrial.harness.pipeline.reference import model_pixels

EXACT = InputContract((20, 30), "exact")


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Payload("test.img", buffer.getvalue())


def photograph(width=50, height=40, mode="RGB", seed=0):
    bands = len(Image.new(mode, (1, 1)).getbands())
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, bands), dtype=np.uint8)
    image = Image.fromarray(coarse.squeeze(), mode="CMYK" if mode == "CMYK" else None)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def test_exact_is_pillows_resize_of_height_by_width():
    image = photograph()
    expected = np.asarray(image.resize((30, 20), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(model_pixels(encoded(image), EXACT), expected)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (257, 256), (1000, 333), (224, 224)])
def test_short_side_and_crop_are_torchvisions(size):
    image = photograph(*size)
    width, height = size
    # torchvision: the long side is int(size * long / short), the crop's offset int(round((side - crop) / 2.0)).
    resized = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    left, top = round((resized[0] - 224) / 2.0), round((resized[1] - 224) / 2.0)
    expected = image.resize(resized, Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))
    np.testing.assert_array_equal(model_pixels(encoded(image), PRESETS["imagenet"]), np.asarray(expected))


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_every_interpolation_is_pillows(name):
    image = photograph()
    contract = dataclasses.replace(EXACT, interpolation=f"pillow-{name}")
    expected = np.asarray(image.resize((30, 20), getattr(Image.Resampling, name.upper())))
    np.testing.assert_array_equal(model_pixels(encoded(image), contract), expected)


@pytest.mark.parametrize(
    ("name", "flag"),
    [("nearest", "NEAREST"), ("bilinear", "LINEAR"), ("area", "AREA"), ("bicubic", "CUBIC"), ("lanczos4", "LANCZOS4")],
)
@pytest.mark.parametrize("size", [(50, 40), (31, 90)])
def test_every_interpolation_is_opencvs(name, flag, size):
    image = photograph(*size)
    contract = dataclasses.replace(EXACT, interpolation=f"opencv-{name}")
    with without_ipp():  # OpenCV's own code, which every processor has
        expected = cv2.resize(np.asarray(image), (30, 20), interpolation=getattr(cv2, f"INTER_{flag}"))
    np.testing.assert_array_equal(model_pixels(encoded(image), contract), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_either_library_follows_both_rules(interpolation):
    payload = encoded(photograph(60, 45))
    short = InputContract((20, 30), "short-side", 36, interpolation=interpolation)
    exact = InputContract((36, 48), "exact", interpolation=interpolation)
    expected = model_pixels(payload, exact)[8:28, 9:39]  # 60x45 -> 48x36, the centre of which is cut
    np.testing.assert_array_equal(model_pixels(payload, short), expected)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("CMYK", "JPEG"), ("P", "PNG")]
)
def test_other_modes_become_rgb_as_pillow_converts_them(mode, kind):
    image = photograph(mode="RGB").convert("P") if mode == "P" else photograph(mode=mode)
    payload = encoded(image, kind)
    expected = Image.open(io.BytesIO(payload.content)).convert("RGB").resize((30, 20), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(model_pixels(payload, EXACT), np.asarray(expected))


def test_arrays_go_the_same_way_as_decoded_images():
    image = photograph()
    array = Payload("array", np.asarray(image))
    np.testing.assert_array_equal(model_pixels(array, EXACT), model_pixels(encoded(image), EXACT))


def test_without_a_rule_another_size_is_refused_with_the_way_out():
    with pytest.raises(BadInputError, match=r"50x40 px.*--resize 20x30"):
        model_pixels(encoded(photograph()), InputContract((20, 30)))


def test_the_store_gives_back_what_was_put_in_any_order(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)
    with ImageStore(tmp_path, 7, (5, 6)) as store:
        for position in (3, 0, 6, 1, 5, 2, 4):
            store.put(position, images[position])
        np.testing.assert_array_equal(store.read(2, 5), images[2:5])
        np.testing.assert_array_equal(np.concatenate(list(store.batches(3))), images)
        first = store.read(0, 1)
        first[:] = 0
        np.testing.assert_array_equal(store.read(0, 1), images[:1])
        assert len(set(store.pixel_digests)) == 7
        assert list(tmp_path.iterdir()) == []  # nothing is left behind, however the process ends


def test_the_store_refuses_what_does_not_fit(tmp_path):
    with ImageStore(tmp_path, 1, (5, 6)) as store, pytest.raises(ValueError, match="expected uint8"):
        store.put(0, np.zeros((6, 5, 3), np.uint8))
    with pytest.raises(UsageError, match="SEATRIAL_CACHE"):
        ImageStore(tmp_path, 2**40, (224, 224))


def test_spooling_is_the_pipeline_in_the_selections_order(data_folder, tmp_path):
    selection = select(open_source(data_folder, 4, labeller(4)), seed=3, limit=9)
    done = []
    with spool(selection, EXACT, folder=tmp_path / "scratch", workers=3, progress=done.append) as store:
        for position, name in enumerate(selection.ids):
            raw = (data_folder / name).read_bytes()
            np.testing.assert_array_equal(store.read(position, position + 1)[0], model_pixels(Payload("", raw), EXACT))
    assert done == list(range(1, 10))


def test_spooling_stops_at_a_damaged_image(data_folder, tmp_path):
    broken = data_folder / "class1/002.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(BadInputError, match=r"class1/002\.jpg"):
        spool(select(open_source(data_folder, 4, labeller(4)), seed=0, limit=None), EXACT, folder=tmp_path, workers=2)


def test_results_come_in_the_order_of_the_tasks():
    def slow_first(task):
        time.sleep(0.02 if task % 5 == 0 else 0)
        return task * task

    assert list(ordered_map(slow_first, range(40), workers=4)) == [task * task for task in range(40)]


def test_no_more_than_the_bound_is_ahead_of_the_consumer():
    started = []

    def work(task):
        started.append(task)
        return task

    for result in ordered_map(work, range(100), workers=2, ahead=3):
        assert len(started) - result <= 2 * 3 + 1


def test_an_exception_comes_in_its_place_and_ends_the_work():
    def work(task):
        if task == 3:
            raise ValueError("three")
        return task

    seen = []
    with pytest.raises(ValueError, match="three"):
        seen.extend(ordered_map(work, range(1000), workers=2))
    assert threading.active_count() < 10


def test_leaving_early_ends_the_threads():
    before = threading.active_count()
    for _ in ordered_map(lambda task: task, range(10_000), workers=3):
        break
    time.sleep(0.05)
    assert threading.active_count() <= before + 1

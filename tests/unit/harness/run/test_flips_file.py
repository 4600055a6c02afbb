"""flips.json: what devices saw is what they were asked about, and is made again only where the trials are others."""

import base64
import io
import json

import numpy as np
import pytest
from conftest import make_folders, make_model
from PIL import Image
from specs import flat

from seatrial.exporters import ContractOptions
from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.plan.following import with_following
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.results.finished import finished_of
from seatrial.harness.run.images import run_images
from seatrial.harness.run.pictures import Pictures
from seatrial.harness.run.run import run
from seatrial.harness.run.thumbnails import SIDE, data_uri
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

GLOBS = ("corruption/fog@3", "pipeline/resize=opencv-nearest", "pipeline/color=bgr")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("flips")
    spec = flat(
        RunSpec,
        model=str(make_model(root / "m.onnx")),
        contract=ContractOptions(size=(16, 16)),
        data=str(make_folders(root / "data", images=4)),
        calib=str(make_folders(root / "calib", images=4, seed=1)),
        targets=(TargetSpec("onnxruntime", "int8"),),
        conditions=GLOBS,
        out=root / "run",
    )
    run(spec)
    return spec


def test_pictures_are_what_was_read_for_the_trials(done):
    directory = RunDirectory(done.out)
    plan = with_following(make_plan(done, Silent()), directory.trials)
    plan, finished = finished_of(plan, directory, set())
    positions = [1, 5, 14]
    pictures = Pictures(plan, finished, positions)
    with run_images(plan, Silent()) as (images, _):
        for condition in plan.conditions:
            pixels = images.read([condition], 0, len(plan.data))[condition.id]
            asked = condition.apply(pixels, plan.data.ids, plan.spec.seed)
            for position in positions:
                seen = pictures.seen(condition, "onnxruntime/int8@cpu", position)
                np.testing.assert_array_equal(seen, asked[position], err_msg=condition.id)
                if condition.id == CLEAN:
                    np.testing.assert_array_equal(pictures.clean(position), asked[position])


def test_the_file_is_made_again_where_the_trials_are_others_alone(done):
    path = done.out / "flips.json"
    before = json.loads(path.read_text())
    assert set(before["targets"]) == {"onnxruntime/int8@cpu"}
    assert before["classes"] == [f"class{number}" for number in range(4)]
    written = path.stat().st_mtime_ns
    run(done)
    assert path.stat().st_mtime_ns == written
    more = flat(
        RunSpec,
        model=done.source.model,
        contract=done.source.contract,
        data=done.images.data,
        calib=done.calibration.data,
        targets=done.targets.asked,
        conditions=(*GLOBS, "corruption/snow@5"),
        out=done.out,
    )
    run(more)
    assert json.loads(path.read_text())["of"] != before["of"]
    path.write_text(path.read_text().replace('"classes"', '"klasses"'))
    run(more)
    assert json.loads(path.read_text())["classes"] == before["classes"], "damaged files are made again"


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize("side", [32, 224, 500])
def test_thumbnails_are_small_and_show_the_image(side):
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    uri = data_uri(noise)
    image = opened(uri)
    assert max(image.size) == min(side, SIDE)
    assert len(uri) < 30_000
    if side == 32:
        np.testing.assert_array_equal(np.asarray(image), noise)
    flat_one = data_uri(np.full((side, side, 3), 100.4, np.float32))
    assert abs(np.asarray(opened(flat_one)).astype(int) - 100).max() <= 1

"""--dry-run says what the same command would do, and leaves no trace."""

import json
import os
from pathlib import Path

import pytest
from conftest import bench, make_folders, make_model

from seatrial.cache import CACHE_VARIABLE, cache_root
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.demo import dataset
from seatrial.harness.progress import Silent
from seatrial.harness.run.forecast import Measured, forecast, seconds_of

ASKED = ["--conditions", "corruption/fog@*", "--bits", "8", "--size", "16", "--advisory"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    make_folders(root / "test", images=4)
    make_folders(root / "calib", images=4, seed=1)
    model = make_model(root / "small.onnx")
    return root, [*ASKED, "--model", model, "--data", root / "test", "--calib", root / "calib"]


def everything(*roots):
    """Every path below, and when it was written."""
    return {path: path.lstat().st_mtime_ns for root in roots for path in Path(root).rglob("*")}


def told(words, **environment):
    done = bench(["--dry-run", "--json", *words], **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_what_the_run_then_does_and_of_a_run_that_is_there_nothing_is_left(world, tmp_path):
    root, words = world
    out = tmp_path / "run"
    before = everything(root, tmp_path, cache_root())
    found = told([*words, "--out", out])
    assert everything(root, tmp_path, cache_root()) == before
    assert os.environ[CACHE_VARIABLE] == str(cache_root())
    assert found["trials"] == {"all": 12, "there": 0}
    assert 0 < found["seconds"]["low"] < found["seconds"]["high"]
    assert {"reading images", "quantizing", "building", "timing", "trials"} == set(found["seconds"]["stages"])
    assert found["bytes_at_most"]["scratch while it runs"] == (16 + 16) * 16 * 16 * 3

    assert bench([*words, "--out", out]).returncode == 0
    asked = json.loads((out / "run.json").read_text())["asked"]
    assert (found["targets"], found["conditions"]) == (asked["targets"], asked["conditions"])
    written = sum(path.stat().st_size for path in (out / "trials").iterdir())
    again = told([*words, "--out", out])
    assert again["trials"] == {"all": 12, "there": 12}
    assert again["seconds"]["stages"] == {}
    more = told([*words, "--out", out, "--conditions", "corruption/snow@*"])
    assert more["trials"] == {"all": 22, "there": 12}
    assert more["seconds"]["by_ledger"]
    spent = json.loads((out / "spent.json").read_text())
    assert more["seconds"]["stages"]["trials"] == pytest.approx(spent["wall"] / 12 * 10, abs=0.1)
    assert written < 12 * 64_000  # each file's footer is most of it


def test_people_read_the_same(world):
    _, words = world
    done = bench(["--dry-run", *words])
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    for part in ("small, 4 classes", "16 of test", "onnxruntime/int8@cpu", "6: 1 clean, 5 corruption", "a rough guess"):
        assert part in text
    assert "Nothing was run and nothing written." in text


def test_a_folder_without_the_demos_images_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"test": 1, "calib": 1})
    found = told(["--suite", "quick"], SEATRIAL_CACHE=str(tmp_path / "cache"))
    assert found["data"]["images"] == 20
    assert not (tmp_path / "cache").exists()


def test_a_run_of_the_demo_lies_in_a_folder_named_like_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"test": 1, "calib": 1})
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    told(["--suite", "quick", "--out", "demo"], SEATRIAL_CACHE=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["--conditions", "corruption/frog@*"], 2),
        (["--data", "/nonexistent"], 2),
        (["--precision", "w4a8"], 3),
        (["--calib", "/nonexistent"], 2),
    ],
)
def test_what_the_run_would_refuse_is_refused(more, status, world):
    _, words = world
    done = bench(["--dry-run", *words, *more])
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert done.stderr.splitlines()[-1].startswith("seatrial: ")


def test_a_run_of_another_spec_is_refused_as_by_the_run(world, tmp_path):
    _, words = world
    out = tmp_path / "run"
    assert bench([*words, "--out", out, "--conditions", "clean"]).returncode == 0
    done = bench(["--dry-run", *words, "--out", out, "--seed", "5"])
    assert done.returncode == 2
    assert "holds a run of another spec" in done.stderr


def test_what_searches_for_images_is_named_and_not_guessed(world):
    _, words = world
    found = told([*words, "--conditions", "blackbox/square-linf@8"])
    assert found["seconds"]["not_estimated"] == ["1 condition whose images are searched for (blackbox/square-linf@8)"]
    assert found["bytes_at_most"]["adversarial images in the cache"] == 16 * 16 * 16 * 3


def test_seconds_follow_the_work(world):
    _, words = world
    parser = make_parser()
    found = forecast(spec_of(parser.given(list(map(str, [*words, "--workers", "1"])))), Silent())
    slow = dict.fromkeys((one.condition.id for one in found.left), 1.0)
    slow["clean"] = 0.0
    stages = seconds_of(found.plan, found.left, Measured(0.0, 0.0, 0.5, 2.0, slow), None)
    # Five conditions of a second, and six that two targets answer in half a second, on 16 images.
    assert stages["trials"] == pytest.approx(16 * (5 * 1.0 + 6 * 2 * 0.5))
    assert stages["building"] == 2 * 2.0
    assert "reading images" not in stages
    timing = found.plan.spec.timing
    assert stages["timing"] == pytest.approx(timing.starts * 2 * (2.0 + timing.duration_s) + timing.budget_s / 2)
    assert seconds_of(found.plan, found.left, Measured(0.0, 0.0, 0.5, 2.0, slow), 3.0)["trials"] == 12 * 3.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dry-run", "--detect", "1"], "--dry-run and --detect each ask for something else than a run"),
        (["--build-only", "--dry-run"], "--build-only and --dry-run each ask"),
        (["--list", "attacks", "--detect", "1"], "--list and --detect each ask"),
        (["--list", "attacks", "--dry-run"], "--list and --dry-run each ask"),
        (["--list", "attacks", "--build-only"], "--list and --build-only each ask"),
        (["--detect", "1", "--json"], "--json is for a run that is judged, not for --detect"),
    ],
)
def test_one_thing_is_asked_in_place_of_a_run(world, words, says):
    done = bench([*words, *world[1]])
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
